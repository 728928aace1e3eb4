"""Beam search over steps: places, forks, finished candidates, looks ahead, and its simpler settings."""

from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget
from ramify.reward.checker import Checker
from tests.search.runs import LENGTH, best, drawn, run, selection
from tests.toys import prompt

STEP = {"step": "b", "max_step_tokens": 3}
SEEDS = range(8)
UNENDED = prompt(1, 2, 1, max_tokens=12)


@pytest.mark.parametrize("seed", SEEDS)
def test_keeping_everybody_is_best_of_n(seed: int) -> None:
    mine, plain = run("beam", seed=seed, n=6, width=1, **STEP), run("best-of-n", seed=seed, n=6)
    assert (drawn(mine), best(mine)) == (drawn(plain), best(plain))
    assert [e.score for e in selection(mine).ended] == [e.score for e in selection(plain).ended]


@pytest.mark.parametrize("seed", SEEDS)
def test_one_candidate_is_a_sample(seed: int) -> None:
    assert best(run("beam", seed=seed, n=1, **STEP)) == best(run("sample", seed=seed))


@pytest.mark.parametrize(("n", "width", "live"), [(8, 4, 8), (8, 2, 8), (7, 2, 7), (3, 8, 3)])
def test_every_step_has_n_candidates(n: int, width: int, live: int) -> None:
    """While nobody finishes; also where width does not divide n."""
    session = run("beam", source=UNENDED, n=n, width=width, **STEP)
    rounds = selection(session).rounds
    assert rounds[0]["live"] == n
    assert all(r["live"] == live for r in rounds if r["finished"] == 0)
    assert session.ledger.recomputed_tokens == 0


def test_the_kept_are_the_best_of_their_step() -> None:
    """By the reward alone: every rejected text scores at most what the cut of its round says."""
    chosen = selection(run("beam", source=UNENDED, reward=LENGTH, n=8, width=4, **STEP))
    cuts = [r["cut"] for r in chosen.rounds]
    rejected = [e for e in chosen.ended if e.stopped_because == "rejected"]
    assert rejected and all(e.score is not None and e.score <= max(cuts) for e in rejected)
    assert chosen.best.score == max(e.score for e in chosen.ended if e.branch.done)  # type: ignore[type-var]


def test_a_finished_candidate_is_never_thrown_away_nor_an_unfinished_one_returned() -> None:
    """The reward likes what is not finished: the finished one is returned all the same."""
    unfinished = Checker(lambda source, text: -1.0 if len(text) < 2 else 1.0, name="long")
    for seed in SEEDS:
        chosen = selection(run("beam", seed=seed, reward=unfinished, n=4, width=2, max_steps=1, step="b"))
        finished = [e for e in chosen.ended if e.stopped_because in ("stop", "length")]
        assert chosen.best in (finished or chosen.ended)


def test_max_steps_leaves_texts_unfinished() -> None:
    chosen = selection(run("beam", source=UNENDED, n=4, width=2, max_steps=2, step="b", max_step_tokens=1))
    assert {e.stopped_because for e in chosen.ended} == {"unfinished", "rejected"}
    assert (chosen.best.stopped_because, chosen.best.branch.num_generated) == ("unfinished", 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_looking_ahead_changes_scores_and_reads_nothing_twice(seed: int) -> None:
    session = run("beam", source=UNENDED, n=4, width=2, lookahead=2, **STEP)
    target = session.ledger.model("target")
    assert session.ledger.recomputed_tokens == 0
    assert target.tokens <= session.ledger.prompt_tokens + session.ledger.generated_tokens
    plain = run("beam", source=UNENDED, n=4, width=2, **STEP)
    assert session.ledger.generated_tokens > plain.ledger.generated_tokens
    assert [e.score for e in selection(session).ended] != [e.score for e in selection(plain).ended]


def test_a_step_that_never_ends_is_the_whole_text() -> None:
    session = run("beam", n=6, width=2, step="never")
    assert drawn(session) == drawn(run("best-of-n", n=6))


@pytest.mark.parametrize("score", [0.0, -float("inf")])
def test_equal_rewards_keep_the_first(score: float) -> None:
    flat = Checker(lambda source, text: score, name="flat")
    chosen = selection(run("beam", source=UNENDED, reward=flat, n=4, width=2, **STEP))
    assert chosen.best.branch.id == min(e.branch.id for e in chosen.ended)


def test_a_budget_for_rewards_ends_it() -> None:
    session = run("beam", source=UNENDED, n=4, width=2, budget=Budget(reward_tokens=12), **STEP)
    assert session.ledger.reward_tokens <= 12
    assert selection(session).best.stopped_because in ("budget", "length")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, "n: 0"),
        ({"width": 0}, "width: 0"),
        ({"max_steps": 0}, "max_steps: 0"),
        ({"lookahead": -1}, "lookahead: -1"),
        ({"step": ""}, "marker"),
        ({"max_step_tokens": 0}, "marker.most"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        run("beam", **options)
