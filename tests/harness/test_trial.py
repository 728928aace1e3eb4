"""What is made of rows: means, paired differences, wins, the Pareto front."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.harness.trial import Trial, front
from tests.harness.made import row, trial


def test_gain_is_paired() -> None:
    gain = trial(2, 1.0, (1.0, 1.0, 0.0)).gain(trial(1, 1.0, (0.0, 1.0, 0.0)))
    assert gain.mean == pytest.approx(1 / 3)
    assert trial(2, 1.0).gain(trial(1, 1.0)).high == 0.0


def test_columns_are_means_but_peaks() -> None:
    columns = Trial("x", 2, (row(0, generated_tokens=2), row(1, generated_tokens=6, peak_kv_bytes=70))).columns()
    assert columns["generated_tokens"] == 4
    assert columns["peak_kv_bytes"] == 70
    assert "problem" not in columns and "text" not in columns


def test_a_problem_counts_once_however_many_seeds() -> None:
    many = Trial("x", 2, (row(0, 0, solved=1.0), row(0, 1, solved=0.0), row(1, 0, solved=1.0), row(1, 1, solved=1.0)))
    assert many.solved == (0.5, 1.0)


def test_wins_are_by_problem_and_seed() -> None:
    mine = Trial("a", 2, (row(0, 0, solved=1.0), row(0, 1, solved=0.0), row(1, 0, solved=1.0), row(1, 1, solved=1.0)))
    other = Trial("b", 2, (row(1, 1, solved=1.0), row(0, 0, solved=0.0), row(0, 1, solved=1.0), row(1, 0, solved=0.0)))
    assert mine.wins(other).mean == pytest.approx((0.5 + 0.75) / 2)
    assert other.wins(mine).mean == pytest.approx(1 - mine.wins(other).mean)


def test_wins_by_score() -> None:
    assert trial(2, 1.0, score=0.9).wins(trial(2, 1.0, score=0.1), "score").mean == 1.0
    assert trial(2, 1.0, score=0.9).scored and not trial(2, 1.0, score=None).scored


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    def beaten(i: int) -> bool:
        cost, quality = points[i]
        return any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points)

    assert {points[i] for i in front(points)} == {points[i] for i in range(len(points)) if not beaten(i)}
