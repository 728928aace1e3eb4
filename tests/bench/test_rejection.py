"""The bench of speculative rejection: its estimates by enumeration, its count against the ledger."""

from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.api import load
from ramify.bench import rejection
from ramify.bench.rejection import Group, Rejection, Setting, compared, expected_maximum, samples_for
from ramify.core.ledger import Ledger
from ramify.core.results import Candidate, Result

SCORES = st.lists(st.floats(-5, 5).map(lambda x: round(x, 2)), min_size=1, max_size=7).map(sorted)


@given(SCORES, st.data())
def test_expected_maximum_is_the_mean_over_all_subsets(scores: list[float], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(scores)))
    assert expected_maximum(scores, n) == pytest.approx(fmean(map(max, combinations(scores, n))))


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=1, max_size=6), st.data())
@settings(deadline=None)
def test_expected_tokens_are_the_mean_over_all_subsets(texts: list[list[int]], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(texts)))
    group = Group.of(result_of(texts))
    read = [len({tuple(t[:k]) for t in chosen for k in range(1, len(t))}) for chosen in combinations(texts, n)]
    assert group.tokens(n) == pytest.approx(3 + fmean(read))


def result_of(texts: list[list[int]]) -> Result:
    candidates = tuple(Candidate("", 0.0, len(t), "stop", answer=None, token_ids=tuple(t)) for t in texts)
    return Result(candidates[0], candidates, (), (), Ledger(prompt_tokens=3), "best-of-n", 0)


def test_equal_reward_costs_equally_much() -> None:
    groups = [Group.of(result_of([[0, 1, 1], [0, 0], [1, 1, 0, 1]]))]
    groups = [Group([1.0, 2.0, 4.0], groups[0].shared, 3)]
    for n in (1, 2, 3):
        reached = Rejection(groups[0].reward(n), groups[0].tokens(n))
        assert compared(groups, [reached]) == pytest.approx((1.0, n))


def test_samples_for_is_between_whole_numbers() -> None:
    assert samples_for([[0.0, 1.0]], 0.75) == pytest.approx(1.5)
    assert samples_for([[0.0, 1.0]], 9.0) == 2.0
    assert samples_for([[0.0, 1.0]], -9.0) == 1.0


def test_beginnings_are_what_the_target_reads() -> None:
    setting = Setting("hard", "builtin", "builtin-hard", 1.5, None)
    with load(page_size=1) as lm:
        result = rejection._search(lm, "What is 7 * 8 + 20 - 3?\n", setting, "best-of-n", 0, n=12)
    assert Group.of(result).tokens(12) == pytest.approx(result.ledger.model("target").tokens)


def test_there_is_a_row_for_each_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PROBLEMS": 2, "DRAWS": 8, "CANDIDATES": 8, "RUNS": 1, "RESAMPLES": 40}.items():
        monkeypatch.setattr(rejection, name, value)
    rows = {row["name"]: row for row in rejection.run()}
    assert list(rows)[:3] == ["tokens_at_equal_reward", "recomputed", "reward_tokens"]
    assert rows["recomputed"]["value"] == 0 and rows["recomputed"]["ok"]
    assert rows["reward_tokens"]["ok"]
    first = rows["tokens_at_equal_reward"]
    assert first["interval"][0] <= first["interval"][1]
    assert [point["n"] for point in first["curve"]] == [1, 2, 4, 8]
