"""How much the rules accept: bounds that are known, and the optimum by a linear programme."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from ramify.speculate.shapes import Distinct, Independent, Shape
from ramify.speculate.verifiers import block, coupled, k_sequential, recursive, standard
from ramify.verify.acceptance import CLAIMS, LADDER, RULES, apart, best_of_independent
from ramify.verify.drafts import LawAfter
from ramify.verify.enumeration import accepted_length, grown, verified
from tests.speculate.enumerated import KINDS, SIZE, after, law


def how_far(verifier: object, shape: Shape, kind: str, target: LawAfter | None = None) -> float:
    return accepted_length(verified(verifier, grown(shape, after(kind, "draft")), target or after(kind, "target")))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_who_accepts_more(kind: str) -> None:
    chain = Independent((1, 1, 1))
    token_by_token = how_far(standard.VERIFIER, chain, kind)
    assert how_far(block.VERIFIER, chain, kind) >= token_by_token - 1e-12
    assert how_far(coupled.VERIFIER, chain, kind) <= token_by_token + 1e-12
    alone = how_far(standard.VERIFIER, Independent((1,)), kind)
    for k in (2, 3):
        assert how_far(recursive.VERIFIER, Distinct((k,)), kind) >= alone - 1e-12
        assert how_far(k_sequential.VERIFIER, Independent((k,)), kind) >= alone - k * 2.0**-k_sequential.HALVINGS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim[0]}: {claim[1]}")
def test_claims_hold_for_other_laws(claim: tuple[str, str], kind: str) -> None:
    assert CLAIMS[claim](after(kind, "target"), after(kind, "draft")) <= 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_a_draft_that_is_the_target_is_accepted(kind: str) -> None:
    for name, shapes in LADDER.items():
        for shape in shapes:
            assert how_far(RULES[name], shape, kind, after(kind, "draft")) == pytest.approx(shape.depth, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_least_cut_is_the_linear_programme(kind: str, k: int) -> None:
    """Sun et al., "SpecTr", arXiv:2310.15141: a coupling of k draws from q with one from p, most often among them."""
    p_V, q_V = law(kind, "target", ()), law(kind, "draft", ())
    groups = list(product(range(SIZE), repeat=k))
    among = [[float(token in group) for token in range(SIZE)] for group in groups]
    of_groups = np.kron(np.eye(len(groups)), np.ones(SIZE))
    of_tokens = np.kron(np.ones(len(groups)), np.eye(SIZE))
    mass = [np.prod(q_V[list(group)]) for group in groups]
    best = linprog(-np.ravel(among), A_eq=np.vstack([of_groups, of_tokens]), b_eq=[*mass, *p_V])
    assert -best.fun == pytest.approx(best_of_independent(p_V, q_V, k), abs=1e-9)
    if k == 1:
        assert -best.fun == pytest.approx(1.0 - apart(p_V, q_V), abs=1e-9)
    for rule in (k_sequential.VERIFIER, recursive.VERIFIER):
        assert how_far(rule, Independent((k,)), kind) <= -best.fun + 1e-9


def test_a_law_that_is_all_drawn_is_covered() -> None:
    """Every token of the vocabulary as a sibling, without replacement: somebody is always accepted."""
    for kind in KINDS[:1]:
        assert how_far(recursive.VERIFIER, Distinct((SIZE,)), kind) == pytest.approx(1.0)
