"""Particle filtering: refusals, when it resamples, who multiplies, what it reads, how it stops."""

import math
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget, Selection
from ramify.reward.checker import Checker
from tests.search.runs import LENGTH, drawn, run, selection
from tests.toys import prompt

TOKENS: dict[str, Any] = {"granularity": "token", "ess_threshold": 1.0}
LONG = prompt(1, 2, 1, 2, 2, max_tokens=12)
FLAT = Checker(lambda prompt, text: 0.25, name="flat")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("n", 0),
        ("beta", 0),
        ("beta", -1.0),
        ("beta", math.nan),
        ("ess_threshold", 1.1),
        ("ess_threshold", -0.1),
        ("scheme", "sistematic"),
        ("granularity", "word"),
        ("marker", ""),
        ("block", 0),
        ("choose", "worst"),
    ],
)
def test_nonsense_is_refused_by_name(option: str, value: object) -> None:
    with pytest.raises(BadInput, match=option):
        run("particle-filter", **{option: value})


@pytest.mark.parametrize("scheme", ["multinomial", "stratified", "systematic", "residual"])
def test_flat_rewards_and_no_threshold_are_sample_draw_for_draw(scheme: str) -> None:
    plain = drawn(run("sample", n=6))
    assert drawn(run("particle-filter", n=6, reward=FLAT, scheme=scheme, **TOKENS)) == plain
    assert drawn(run("particle-filter", n=6, scheme=scheme, granularity="token", ess_threshold=0.0)) == plain


def test_a_marker_that_never_occurs_is_importance_sampling() -> None:
    never, none = run("particle-filter", n=6, marker="zzz"), run("particle-filter", n=6, ess_threshold=0.0)
    assert len(selection(never).rounds) == 1
    assert selection(never).weights == selection(none).weights


def weight_of_final_scores(found: Selection, beta: float) -> list[float]:
    mass = [math.exp((e.score or 0.0) / beta) for e in found.ended]
    return [m / sum(mass) for m in mass]


def test_without_resampling_the_weights_are_those_of_the_final_scores() -> None:
    """Partial scores telescope."""
    found = selection(run("particle-filter", n=6, beta=0.3, granularity="token", ess_threshold=0.0))
    assert found.weights == pytest.approx(weight_of_final_scores(found, 0.3), rel=1e-12)
    assert found.log_evidence is not None
    total = sum(math.exp((e.score or 0.0) / 0.3) for e in found.ended)
    assert math.exp(found.log_evidence) == pytest.approx(total / 6, rel=1e-12)


@pytest.mark.parametrize("scheme", ["multinomial", "stratified", "systematic", "residual"])
def test_copies_are_forks_that_go_their_own_ways(scheme: str) -> None:
    session = run("particle-filter", n=8, source=LONG, beta=0.05, scheme=scheme, **TOKENS)
    found, ledger = selection(session), session.ledger
    dead = [n for n in session.tree.values() if n.ended == "rejected"]
    assert dead
    assert len(session.tree) == 8 + len(dead)  # who dies makes room for exactly one copy
    assert len({str(e.branch.tokens) for e in found.ended}) > 1
    assert ledger.recomputed_tokens == 0
    assert ledger.generated_tokens == 8 * 12  # a round draws n tokens, however many copies there are


def test_it_follows_the_reward() -> None:
    """A sharp reward for the letter b: nearly every token is one, where plain texts are mixed."""
    likes_b = Checker(lambda prompt, text: float(text.count("b")), name="b")
    sharp = selection(run("particle-filter", n=32, source=LONG, reward=likes_b, beta=0.2, **TOKENS))
    plain = selection(run("sample", n=32, source=LONG))
    share = [sum(e.branch.generated.count(2) for e in found.ended) / (32 * 12) for found in (sharp, plain)]
    assert share[0] > share[1] + 0.2


def test_finished_particles_stay_in_the_resampling() -> None:
    """A reward that likes short texts: copies of finished ones replace live ones."""
    short = Checker(lambda prompt, text: -len(text), name="short")
    for seed in range(4):
        session = run("particle-filter", seed=seed, n=8, reward=short, beta=0.2, **TOKENS)
        forked_when_done = [n for n in session.tree.values() if n.branch.parent and n.branch.num_generated == 1]
        if any(n.branch.forked_at == len(n.branch.tokens) for n in forked_when_done):
            return
    raise AssertionError("no finished text was copied in four runs")


@pytest.mark.parametrize("choose", ["vote", "sample", "best"])
def test_what_is_chosen(choose: str) -> None:
    found = selection(run("particle-filter", n=8, beta=0.3, choose=choose, **TOKENS))
    assert found.weights is not None
    assert any(found.best is e for e in found.ended)
    if choose == "best":
        assert found.best.score == max(e.score or 0.0 for e in found.ended)
    if choose == "vote":
        mass = dict[object, float]()
        for e, w in zip(found.ended, found.weights, strict=True):
            mass[e.answer] = mass.get(e.answer, 0.0) + (w if e.answer is not None else 0.0)
        assert mass[found.best.answer] == max(mass.values())


def test_rewards_of_minus_infinity_leave_no_posterior_and_no_error() -> None:
    found = selection(run("particle-filter", n=4, reward=Checker(lambda p, t: -math.inf, name="never"), **TOKENS))
    assert (found.weights, found.log_evidence) == (None, -math.inf)
    some = Checker(lambda p, t: -math.inf if "a" in t else 1.0, name="no a")
    found = selection(run("particle-filter", n=8, source=LONG, reward=some, **TOKENS))
    assert found.weights is not None
    assert all(1 not in e.branch.generated for e, w in zip(found.ended, found.weights, strict=True) if w)


@pytest.mark.parametrize("tokens", [1, 9, 40])
def test_a_budget_that_cuts_texts_leaves_no_posterior(tokens: int) -> None:
    session = run("particle-filter", n=6, source=LONG, budget=Budget(tokens=tokens), **TOKENS)
    found = selection(session)
    assert session.ledger.generated_tokens <= tokens
    assert (found.weights, found.log_evidence) == (None, None)


def test_scores_that_cannot_be_paid_for_end_it() -> None:
    found = selection(run("particle-filter", n=6, source=LONG, budget=Budget(reward_tokens=9), **TOKENS))
    assert found.weights is None
    assert found.best in found.ended


def test_a_tiny_temperature_does_not_overflow() -> None:
    found = selection(run("particle-filter", n=6, reward=LENGTH, beta=1e-320, granularity="token"))
    assert found.weights is not None
    assert sum(found.weights) == pytest.approx(1.0)
