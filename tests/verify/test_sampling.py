"""What best-of-n's regularised forms, votes, rankings and choices claim holds; and a broken one is noticed."""

from collections.abc import Callable
from typing import Any

import pytest

from ramify.core.registry import names
from ramify.maths import overlap
from ramify.search import (
    adaptive_vote,
    choice_funnel,
    consensus_game,
    cross_view_vote,
    mbr_best_of_n,
    pairwise_rank,
    pessimistic_best_of_n,
    sar,
    soft_best_of_n,
    think_sum,
)
from ramify.verify import ranking, sampling
from ramify.verify.methods import EXACT
from ramify.verify.toys import text_law

PROOFS = sampling.PROOFS | ranking.PROOFS
every_proof = pytest.mark.parametrize("proof", PROOFS.values(), ids=[": ".join(claim) for claim in PROOFS])


@every_proof
def test_every_proof_holds(proof: Callable[[], float]) -> None:
    assert proof() <= EXACT


def test_proofs_are_of_methods_and_of_nothing_else() -> None:
    assert {method for method, _ in PROOFS} <= set(names("method"))
    assert not sampling.PROOFS.keys() & ranking.PROOFS.keys()
    methods = {method for method, _ in PROOFS}
    assert {method for method, claim in PROOFS if "n=1" in claim} == methods - {"think-sum", "choice-funnel"}


def test_a_mixed_law_has_mass_one() -> None:
    law = sampling.mixed(2, lambda group: [0.3, 0.7], text_law(sampling.SHORT))
    assert sum(law.values()) == pytest.approx(1.0, abs=1e-12)


def _last(answers: Any) -> int:
    return len(answers) - 1 if answers else 0


MISTAKES: dict[str, tuple[Any, str, Any, tuple[str, str]]] = {
    "the softmax has its sign turned": (
        soft_best_of_n,
        "_logweight",
        lambda ended, beta: -ended.score / beta,
        ("soft-best-of-n", "the closed form over multisets"),
    ),
    "evidence is a sum, not a mean": (
        soft_best_of_n,
        "log_mean_exp",
        lambda weights: sum(weights),
        ("soft-best-of-n", "evidence and weights are unbiased"),
    ),
    "agreement with oneself alone": (
        mbr_best_of_n,
        "similarities",
        lambda kind, answers, *rest: [[float(i == j) for j in range(len(answers))] for i in range(len(answers))],
        ("mbr-best-of-n", "reward and common tokens"),
    ),
    "lambda is the mean": (
        pessimistic_best_of_n,
        "normaliser",
        lambda r, beta: sum(r) / len(r) - 1e-9,
        ("pessimistic-best-of-n", "one more draw where nobody is accepted"),
    ),
    "it stops at once": (
        adaptive_vote,
        "stops",
        lambda *votes, **rule: True,
        ("adaptive-vote", "confidence=1 is majority-vote"),
    ),
    "the last draw wins": (
        adaptive_vote,
        "plurality",
        _last,
        ("adaptive-vote", "the plurality when the Beta rule stops"),
    ),
    "all views are one": (
        cross_view_vote,
        "filled",
        lambda template, prompt: prompt,
        ("cross-view-vote", "the plurality over two views"),
    ),
    "the judge is turned around": (
        pairwise_rank,
        "_first",
        lambda first, second: float(second > first),
        ("pairwise-rank", "the judge's favourite of two"),
    ),
    "the generator is not normalised over v": (
        consensus_game,
        "initial_generator",
        lambda given, other: [given, other],
        ("consensus-game", "a price to infinity keeps the policies"),
    ),
    "nobody lends": (
        sar,
        "similarities",
        lambda kind, answers, *rest: [[0.0] * len(answers)] * len(answers),
        ("sar", "the least sentence-SAR"),
    ),
    "any fact is all facts": (
        think_sum,
        "product",
        think_sum.mixture,
        ("think-sum", "aggregates by the chain rule"),
    ),
    "the labels' prior is forgotten": (
        choice_funnel,
        "posterior",
        lambda row: [1.0 / len(row)] * len(row),
        ("choice-funnel", "the debiased best, then the rest: content-free, confident=1.0"),
    ),
}


@pytest.mark.parametrize(("module", "name", "wrong", "claim"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_noticed(
    module: Any, name: str, wrong: Any, claim: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, wrong)
    assert PROOFS[claim]() > 1e-6


def test_overlaps() -> None:
    """By hand: of "aab" and "ab" the letters agree, of pairs aa, ab only ab is shared."""
    assert overlap.overlap("aab", "ab") == pytest.approx((1.0 + 2 / 3) / 2)
    assert overlap.overlap("", "") == overlap.overlap("x", "x", 5) == 1.0
    assert overlap.overlap("a", "b") == overlap.overlap("", "b") == 0.0
