"""Retrospective resampling: what is doubtful, what a retry is, and its simpler settings."""

from typing import Any

import pytest

from ramify.core.errors import BadInput, UnknownName
from tests.search.runs import LENGTH, best, run, selection
from tests.toys import prompt

NAME = "retrospective-resampling"
STEP = {"step": "b", "max_step_tokens": 3}
SEEDS = range(8)
UNENDED = prompt(1, 2, 1, max_tokens=12)


@pytest.mark.parametrize(
    "options",
    [{"threshold": -1e9}, {"retries": 0, "threshold": 0.0}, {"signal": "reward", "drop": 1e9}],
    ids=["confident", "no retries", "no drop"],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_doubting_nothing_is_best_of_n(seed: int, options: dict[str, Any]) -> None:
    assert best(run(NAME, seed=seed, n=1, **options, **STEP)) == best(run("sample", seed=seed))
    assert best(run(NAME, seed=seed, n=4, **options, **STEP)) == best(run("best-of-n", seed=seed, n=4))


@pytest.mark.parametrize("retries", [1, 3])
def test_a_doubtful_step_is_drawn_so_often_and_the_most_confident_stays(retries: int) -> None:
    """Everything is doubtful: each step is drawn retries + 1 times, and read once."""
    session = run(NAME, source=UNENDED, n=1, threshold=0.0, retries=retries, step="never", max_step_tokens=4)
    assert len(selection(session).rounds) == 3 * (retries + 1)
    assert session.ledger.generated_tokens == 12 * (retries + 1)
    assert session.ledger.recomputed_tokens == 0
    assert session.ledger.model("target").tokens <= 3 + session.ledger.generated_tokens


def test_retries_are_warmer_and_the_text_goes_on_as_before() -> None:
    session = run(NAME, source=UNENDED, n=1, threshold=0.0, retries=3, warmer=0.2, warmest=0.5, **STEP)
    seen = {round(node.branch.rule.temperature, 6) for node in session.tree.values()}
    assert seen == {1.0, 1.2, 1.4, 1.5}


def test_confidence_grows_with_retries() -> None:
    """Mean log-probability of the returned texts, over seeds."""

    def confidence(retries: int) -> float:
        total = 0.0
        for seed in range(16):
            source = prompt(1, 2, 1, seed=seed, max_tokens=12)
            branch = selection(run(NAME, source=source, n=1, threshold=-0.5, retries=retries, **STEP)).best.branch
            total += sum(each.logprob for each in branch.logprobs)
        return total

    assert confidence(4) > confidence(0) + 16


def test_a_hint_stands_before_the_retry() -> None:
    session = run(NAME, source=UNENDED, n=1, threshold=0.0, retries=1, hint="aa", step="never", max_step_tokens=4)
    retries = [n.branch for n in session.tree.values() if n.branch.parent is not None and n.branch.num_generated >= 2]
    assert any([each.drawn for each in b.logprobs[:2]] == [0.0, 0.0] and b.generated[:2] == [1, 1] for b in retries)
    assert len(best(session)) == 12


def test_a_fall_of_the_reward_is_a_reason_too() -> None:
    """The reward counts letters and so never falls; where it must rise by no more than nothing, nothing is doubtful."""
    chosen = selection(run(NAME, source=UNENDED, reward=LENGTH, n=2, signal="reward", drop=0.0, **STEP))
    assert all(r["doubtful"] == 0 for r in chosen.rounds)
    falling = LENGTH.__class__(lambda source, text: -float(len(text)), name="short")
    chosen = selection(run(NAME, source=UNENDED, reward=falling, n=2, signal="reward", drop=0.5, **STEP))
    assert any(r["doubtful"] for r in chosen.rounds)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n": 0}, BadInput),
        ({"threshold": 0.1}, BadInput),
        ({"signal": "reward", "drop": -1.0}, BadInput),
        ({"retries": -1}, BadInput),
        ({"warmer": -0.1}, BadInput),
        ({"signal": "mood"}, UnknownName),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(NAME, **options)
