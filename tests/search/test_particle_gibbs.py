"""Particle Gibbs: refusals, what is retained, what it reads, how it stops."""

import math
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget
from ramify.reward.checker import Checker
from tests.search.runs import drawn, run, selection
from tests.toys import prompt

TOKENS: dict[str, Any] = {"granularity": "token", "ess_threshold": 1.0}
LONG = prompt(1, 2, 1, 2, 2, max_tokens=12)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("n", {"n": 1}),
        ("n", {"n": 0, "sweeps": 1}),
        ("sweeps", {"sweeps": 0}),
        ("burn_in", {"sweeps": 2, "burn_in": 2}),
        ("beta", {"beta": 0.0}),
        ("ess_threshold", {"ess_threshold": 2.0}),
        ("granularity", {"granularity": "line"}),
        ("choose", {"choose": "first"}),
    ],
)
def test_nonsense_is_refused_by_name(field: str, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=field):
        run("particle-gibbs", **options)


@pytest.mark.parametrize("seed", range(4))
def test_one_sweep_is_the_particle_filter(seed: int) -> None:
    """The same evidence and texts as with multinomial resampling (tosses are addressed otherwise: none is needed)."""
    gibbs = run("particle-gibbs", seed=seed, n=6, sweeps=1, granularity="token", ess_threshold=0.0)
    plain = run("particle-filter", seed=seed, n=6, granularity="token", ess_threshold=0.0)
    assert drawn(gibbs) == drawn(plain)
    assert selection(gibbs).weights == pytest.approx(selection(plain).weights, rel=1e-12)
    assert selection(gibbs).log_evidence == selection(plain).log_evidence


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_each_sweep_draws_all_but_the_retained_text(seed: int, threshold: float) -> None:
    session = run("particle-gibbs", seed=seed, n=4, sweeps=5, beta=0.1, granularity="token", ess_threshold=threshold)
    found, ledger = selection(session), session.ledger
    assert found.weights is not None
    assert sum(found.weights) == pytest.approx(1.0)
    assert len(found.ended) == 4 + 4 * 3
    assert ledger.recomputed_tokens == 0
    assert ledger.model("target").tokens <= ledger.prompt_tokens + ledger.generated_tokens
    assert ledger.model("judge").tokens <= ledger.prompt_tokens + ledger.generated_tokens


def test_copies_of_the_retained_text_begin_as_it_does_and_go_on_alone() -> None:
    session = run("particle-gibbs", n=3, sweeps=6, source=LONG, beta=0.05, **TOKENS)
    nodes = [n.branch for n in session.tree.values()]
    pairs = [(b, session.tree[b.parent].branch) for b in nodes if b.parent in session.tree]
    cut = [(b, parent) for b, parent in pairs if parent.done and 5 < b.forked_at < 5 + 12]
    assert cut
    assert all(b.tokens[: b.forked_at] == parent.tokens[: b.forked_at] for b, parent in cut)
    assert any(b.tokens != parent.tokens for b, parent in cut)
    assert session.ledger.recomputed_tokens == 0


def test_late_sweeps_follow_the_reward_with_two_particles() -> None:
    likes_b = Checker(lambda prompt, text: float(text.count("b")), name="b")
    run_b = run("particle-gibbs", n=2, sweeps=40, burn_in=20, source=LONG, reward=likes_b, beta=0.3, **TOKENS)
    found = selection(run_b)
    assert found.weights is not None
    share = sum(w * e.branch.generated.count(2) / 12 for e, w in zip(found.ended, found.weights, strict=True))
    plain = [e.branch.generated.count(2) / 12 for e in selection(run("sample", n=40, source=LONG)).ended]
    assert share > sum(plain) / 40 + 0.2


def test_a_budget_keeps_the_sweeps_that_were_finished() -> None:
    whole = run("particle-gibbs", n=3, sweeps=1, source=LONG, **TOKENS)
    cut = run("particle-gibbs", n=3, sweeps=9, source=LONG, budget=Budget(tokens=40), **TOKENS)
    assert cut.ledger.generated_tokens <= 40
    assert selection(cut).log_evidence == selection(whole).log_evidence
    weights = selection(cut).weights
    assert weights is not None
    assert all(e.stopped_because == "length" for e, w in zip(selection(cut).ended, weights, strict=True) if w)
    none = selection(run("particle-gibbs", n=3, sweeps=9, source=LONG, budget=Budget(tokens=7), **TOKENS))
    assert (none.weights, none.log_evidence) == (None, None)


def test_rewards_of_minus_infinity_leave_no_posterior_and_no_error() -> None:
    found = selection(run("particle-gibbs", n=3, reward=Checker(lambda p, t: -math.inf, name="never"), **TOKENS))
    assert (found.weights, found.log_evidence) == (None, -math.inf)
