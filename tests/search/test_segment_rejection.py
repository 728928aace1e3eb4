"""Segment-wise rejection: where segments end, what is accepted, and its simpler settings."""

import math

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget, TokenLogprob
from ramify.search.segment_rejection import entropy
from tests.search.runs import LENGTH, best, run, selection
from tests.toys import prompt

SEEDS = range(8)
UNENDED = prompt(1, 2, 1, max_tokens=12)
BAR = {"start": 0.0, "goal": 14.0, "beta": 0.5}


@pytest.mark.parametrize("options", [{"start": -1e9, "goal": -1e9}, {"n": 1}])
@pytest.mark.parametrize("seed", SEEDS)
def test_accepting_everything_is_sampling(seed: int, options: dict[str, float]) -> None:
    assert best(run("segment-rejection", seed=seed, tokens=2, **options)) == best(run("sample", seed=seed))


def test_fixed_segments_end_after_so_many_tokens() -> None:
    chosen = selection(run("segment-rejection", source=UNENDED, n=1, tokens=5, threshold=99.0))
    assert [r["at"] - 3 for r in chosen.rounds] == [0, 5, 10]


def test_uncertain_tokens_end_segments() -> None:
    """A segment ends behind each token whose law had the entropy, and nowhere else."""
    every = selection(run("segment-rejection", source=UNENDED, n=1, tokens=99, threshold=99.0)).best.branch.logprobs
    threshold = sorted(map(entropy, every))[6]
    chosen = selection(run("segment-rejection", source=UNENDED, n=1, tokens=99, threshold=threshold))
    uncertain = [at + 1 for at, each in enumerate(chosen.best.branch.logprobs) if entropy(each) >= threshold]
    assert 0 < len(uncertain) < 12
    assert [r["at"] - 3 for r in chosen.rounds] == [0, *(at for at in uncertain if at < 12)]


def test_entropy_counts_what_is_no_alternative_as_one_more() -> None:
    half = math.log(0.5)
    assert entropy(TokenLogprob(1, half, ((1, half),))) == pytest.approx(math.log(2))
    assert entropy(TokenLogprob(1, 0.0, ((1, 0.0), (2, -math.inf)))) == 0.0


def test_a_bar_raises_the_reward() -> None:
    """Over seeds; no token is read twice however often it backs up."""
    barred = [
        run("segment-rejection", source=prompt(1, 2, 1, seed=s, max_tokens=12), reward=LENGTH, tokens=3, **BAR)
        for s in range(24)
    ]
    plain = [run("sample", source=prompt(1, 2, 1, seed=s, max_tokens=12), reward=LENGTH) for s in range(24)]
    letters = [sum(best(session).count(2) for session in sessions) for sessions in (barred, plain)]
    assert letters[0] > letters[1]
    assert all(session.ledger.recomputed_tokens == 0 for session in barred)
    assert any(r["tried"] > 4 for session in barred for r in selection(session).rounds)


def test_a_proposal_that_the_budget_cut_is_not_accepted() -> None:
    chosen = selection(run("segment-rejection", source=UNENDED, tokens=4, start=-9.0, budget=Budget(tokens=10)))
    assert chosen.best.stopped_because == "budget"
    assert not chosen.rounds[-1]["accepted"]


@pytest.mark.parametrize("options", [{"n": 0}, {"batch": 0}, {"tokens": 0}, {"beta": 0.0}, {"threshold": -1.0}])
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        run("segment-rejection", **options)
