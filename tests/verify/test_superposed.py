"""Superposed decoding's proofs hold, and notice a method that does it otherwise."""

from collections.abc import Callable
from typing import Any

import pytest

from ramify.search import superposed as method
from ramify.verify.methods import EXACT
from ramify.verify.superposed import PROOFS

LINEAR = "drafts and scores are those of the linear toy"


@pytest.mark.parametrize("claim", [claim for _, claim in PROOFS])
def test_every_claim_holds(claim: str) -> None:
    assert PROOFS["superposed", claim]() <= EXACT


def even(lp: list[float]) -> list[float]:
    return [1.0] * len(lp)


def unmixed(logprob: float, ngram: float, alpha: float) -> float:
    return logprob


@pytest.mark.parametrize(
    ("part", "other", "claim"),
    [
        ("_weights", even, LINEAR),
        ("_weights", even, "two tokens: the exact marginal of the second"),
        ("_mixed", unmixed, "the n-gram model's part"),
        ("Superpose", lambda drafts, weights: method.Likeliest(drafts, 1), LINEAR),
        ("Superpose", lambda drafts, weights: method.Likeliest(drafts, 1), "one pass and one row a token, whatever k"),
    ],
)
def test_another_method_is_noticed(
    monkeypatch: pytest.MonkeyPatch, part: str, other: Callable[..., Any], claim: str
) -> None:
    """Even weights, no n-gram model, or drafts that are read each by itself."""
    monkeypatch.setattr(method, part, other)
    assert PROOFS["superposed", claim]() > 1e-3
