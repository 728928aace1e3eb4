"""The posteriors' proofs hold; and they notice what is a little wrong."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ramify.core.registry import lookup
from ramify.core.types import Branch
from ramify.core.wants import Search
from ramify.maths import particles, smc
from ramify.search import particle_filter, particle_gibbs, power_sampling, qalign
from ramify.verify import probability
from ramify.verify.methods import EXACT
from ramify.verify.probability import BY_TOKEN, PROOFS, SHORT, off_weights

METHODS = ("particle-filter", "particle-gibbs", "qalign", "power-sampling")


@pytest.mark.parametrize("claim", PROOFS, ids=": ".join)
def test_every_proof_holds(claim: tuple[str, str]) -> None:
    assert PROOFS[claim]() <= EXACT


def test_every_method_has_its_law_and_its_ladder() -> None:
    assert {method for method, _ in PROOFS} == set(METHODS)
    assert all(any("sampling" in claim for method, claim in PROOFS if method == name) for name in METHODS)
    assert all(lookup("method", name).name == name for name in METHODS)


@pytest.mark.parametrize("scheme", ["multinomial", "stratified", "systematic", "residual"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    "granularity", [{"granularity": "block", "block": 1}, {"granularity": "step", "marker": "a"}], ids=["block", "step"]
)
def test_weights_are_unbiased_however_particles_are_resampled(
    scheme: str, threshold: float, granularity: dict[str, Any]
) -> None:
    assert off_weights(SHORT, n=2, scheme=scheme, ess_threshold=threshold, **granularity) <= EXACT


def proof(method: str, words: str) -> float:
    (claim,) = [claim for claim in PROOFS if claim[0] == method and words in claim[1]]
    return PROOFS[claim]()


def test_notices_evidence_that_leaves_resamplings_out(monkeypatch: pytest.MonkeyPatch) -> None:
    final = particles.log_mean_exp
    monkeypatch.setattr(particle_filter, "log_mean_exp", lambda logw: final(logw) if max(logw) > 0.5 else 0.0)
    assert off_weights(SHORT, **BY_TOKEN, n=2, ess_threshold=1.0) > 1e-3


def test_notices_a_scheme_that_favours_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def biased(weights: Sequence[float], n: int) -> particles.Resampling:
        return particles.Resampling((0,), particles.multinomial(weights, n).copies[1:], n)

    monkeypatch.setattr(particle_filter, "SCHEMES", {**particles.SCHEMES, "multinomial": biased})
    assert off_weights(SHORT, **BY_TOKEN, n=2, ess_threshold=1.0, scheme="multinomial") > 1e-3


def test_notices_absolute_scores_in_place_of_increments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smc.Particle, "logweight", lambda self, beta: self.score / beta)
    assert off_weights(SHORT, **BY_TOKEN, n=2, ess_threshold=1.0) > 1e-3


def test_notices_a_retained_text_that_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its copies are replaced by copies of the first step's others: the sweep no longer keeps the target."""
    plan = particle_gibbs.multinomial

    def without(weights: Sequence[float], n: int) -> particles.Resampling:
        if len(weights) == n:  # nothing is retained
            return plan(weights, n)
        return plan([*(w / sum(weights[:-1]) for w in weights[:-1]), 0.0], n)

    monkeypatch.setattr(particle_gibbs, "multinomial", without)
    assert proof("particle-gibbs", "invariant: two particles") > 1e-3


def test_notices_copies_that_are_paid_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = particle_gibbs.copies_at

    def unpaid(star: smc.Particle, step: int, count: int) -> Search[list[smc.Particle]]:
        return [replace(p, paid=0.0) for p in (yield from exact(star, step, count))]

    monkeypatch.setattr(particle_gibbs, "copies_at", unpaid)
    assert proof("particle-gibbs", "invariant: two particles") > 1e-3


@pytest.mark.parametrize(("module", "words"), [(qalign, "tilted law: plain"), (power_sampling, "p^4")])
def test_notices_that_lengths_are_left_out(module: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "log_fewer_cuts", lambda state, proposal: 0.0)
    assert proof(module.METHOD.name, words) > 1e-3


def test_notices_another_temperature() -> None:
    kernel = probability.chain_kernel("qalign", SHORT, beta=0.4)
    assert probability.off_invariance(probability.tilted(SHORT, 0.4), kernel) <= EXACT
    assert probability.off_invariance(probability.tilted(SHORT, 0.42), kernel) > 1e-3


def test_notices_a_proposal_ratio_without_its_denominator(monkeypatch: pytest.MonkeyPatch) -> None:
    def raw_alone(text: Branch, kept: int, alpha: float) -> float:
        return sum(alpha * token.logprob for token in text.logprobs[kept - text.num_prompt :])

    monkeypatch.setattr(power_sampling, "_log_excess", raw_alone)
    assert proof("power-sampling", "p^2") > 1e-3


def test_an_unreachable_text_is_no_balance() -> None:
    half = {(0,): 0.5, (1, 0): 0.5}
    assert probability.off_balance(half, {(0,): {(0,): 1.0}}) == math.inf
