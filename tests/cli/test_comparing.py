"""How many candidates the budget pays for."""

import pytest

from ramify.cli.comparing import MOST_N, Trial, next_n, scales
from ramify.core.ledger import Ledger
from ramify.core.registry import lookup


def trial(n: int | None, cost: float, solved: tuple[float, ...] = (1.0, 0.0)) -> Trial:
    return Trial("best-of-n", n, solved, (cost,) * len(solved), Ledger(generated_tokens=8, peak_kv_bytes=6), 4)


def test_between_two_trials_the_line_through_them_decides() -> None:
    trials = [trial(2, 20.0), trial(32, 320.0)]
    assert next_n(trials, 80.0) == 8
    assert next_n([trial(1, 10.0), trial(16, 40.0)], 20.0) == 4


def test_beyond_the_last_trial_the_last_slope_goes_on() -> None:
    assert next_n([trial(1, 10.0), trial(4, 20.0)], 40.0) == 16
    assert next_n([trial(1, 10.0), trial(2, 10.1)], 20.2) < 32  # two close points say nothing
    assert next_n([trial(1, 10.0)], 20.0) in (2, 3)


def test_n_stays_in_bounds() -> None:
    assert next_n([trial(MOST_N // 2, 10.0)], 1e9) == MOST_N
    assert next_n([trial(2, 10.0), trial(4, 20.0)], 0.1) == 1


def test_gain_is_paired() -> None:
    gain = trial(2, 1.0, (1.0, 1.0, 0.0)).gain(trial(1, 1.0, (0.0, 1.0, 0.0)))
    assert gain.mean == pytest.approx(1 / 3)
    assert trial(2, 1.0).gain(trial(1, 1.0)).high == 0.0


def test_ledger_columns_are_means_but_peaks() -> None:
    columns = trial(2, 1.0).columns()
    assert columns["generated_tokens"] == 2
    assert columns["peak_kv_bytes"] == 6


def test_which_methods_climb() -> None:
    assert [scales(lookup("method", name)) for name in ("greedy", "sample", "best-of-n", "majority-vote")] == [
        False,
        False,
        True,
        True,
    ]
