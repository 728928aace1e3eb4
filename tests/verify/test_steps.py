"""The proofs of the searches over steps hold; and a search that is broken is noticed by them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ramify.core import steps as core_steps
from ramify.core.types import Branch, Continuation, TokenLogprob
from ramify.core.wants import Drop, Fork, Search
from ramify.engine import engine
from ramify.search import (
    beam,
    dvts,
    explore_execute,
    mcts,
    rain,
    retrospective_resampling,
    segment_rejection,
    treebon,
)
from ramify.verify.methods import EXACT
from ramify.verify.steps import PROOFS, SHORT, groups_of, grown, retold, step, text_law

every_proof = pytest.mark.parametrize("claim", PROOFS, ids=": ".join)


@every_proof
def test_it_holds(claim: tuple[str, str]) -> None:
    assert PROOFS[claim]() <= EXACT


def test_every_retelling_has_mass_one() -> None:
    for law in (retold(groups_of((2, 2)), step), retold(groups_of((2,), (2,)), step), grown((), SHORT)):
        assert sum(law.values()) == pytest.approx(1.0, abs=1e-12)
    assert grown(()) == text_law()


def _forgetful(kept: Sequence[tuple[Branch, int]]) -> Search[list[Branch]]:
    """Prefixes go on alone."""
    return (yield from core_steps.multiplied([(b, 1) for b, _ in kept]))


def _worst(scores: Mapping[Branch, float], *more: Any) -> Search[Any]:
    """The lowest reward of all wins."""
    return (yield from core_steps.concluded({b: -score for b, score in scores.items()}, *more))


def _backwards(target: Any, guidance: Any, branches: Sequence[Branch], k: int) -> list[list[Continuation]]:
    """Some tokens are forgotten."""
    return [some[:1] or some for some in engine_likeliest(target, guidance, branches, k)]


engine_likeliest = engine.likeliest


def _kept(text: Any, kept: Branch, r: Any, T_0: float) -> Search[None]:
    """The first draw stays, whatever came after it."""
    first = text.draws[0][1]
    yield Drop([b for _, b in text.draws if b is not first])
    text.branch, text.over, text.before = first, first.done, r[first]
    text.point = text.begin = len(first.tokens)
    text.draws = []


def _warm(branch: Branch, length: int, n: int = 1, temperature: float | None = None) -> Search[list[Branch]]:
    """Retries are no warmer."""
    return (yield from core_steps.rewound(branch, length, n))


def _certain(token: TokenLogprob) -> float:
    """No token ends a segment."""
    return -1.0


def _warm_fork(source: Any, n: int, temperature: float | None = None) -> Fork:
    """Plans are carried out at the prompt's temperature."""
    return Fork(source, n)


BROKEN: list[tuple[str, Any, str, Any]] = [
    ("beam", beam, "multiplied", _forgetful),
    ("beam", beam, "concluded", _worst),
    ("dvts", dvts, "shares", lambda total, parts: [total]),
    ("treebon", treebon, "multiplied", _forgetful),
    ("treebon", treebon, "shares", lambda total, parts: [total]),
    ("token-beam-search", engine, "likeliest", _backwards),
    ("segment-rejection", segment_rejection, "entropy", _certain),
    ("segment-rejection", segment_rejection._Schedule, "acceptance", lambda self, branch, r: 1.0),
    ("rain", rain, "_most_visited", lambda children: children[0]),
    ("mcts", mcts, "concluded", _worst),
    ("retrospective-resampling", retrospective_resampling, "_go_on", _kept),
    ("retrospective-resampling", retrospective_resampling, "rewound", _warm),
    ("explore-execute", explore_execute, "Fork", _warm_fork),
]


@pytest.mark.parametrize(
    ("method", "module", "name", "broken"), BROKEN, ids=lambda value: getattr(value, "__name__", value)
)
def test_what_is_broken_is_noticed(
    method: str, module: Any, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, broken)
    assert any(proof() > 1e-3 for claim, proof in PROOFS.items() if claim[0] == method)
