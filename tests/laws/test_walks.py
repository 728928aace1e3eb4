"""A thousand random walks of the verbs: the books balance after each verb, every law that is drawn from is right.

toy     every law equals the table's, computed from the branch's own tokens
exact   a text has one law, bit by bit, whoever asks, whenever, however often its pages were given up
fast    the same within the tolerance
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from ramify.core.types import Branch
from ramify.engine.draws import addressed
from ramify.maths.law import Law
from ramify.toy.model import ToyModel
from ramify.verify.lab import Lab, toy_lab
from ramify.verify.laws import walk
from tests.laws.labs import stories, tiny

SHARES = {1: 240, 2: 240, 3: 240, 4: 140}  # page size -> walks on the toy: 860
REAL = {"tiny": 25, "stories": 20}  # for each of these lab's modes: 140


@dataclass
class OneLaw:
    """Draws, and holds every law against the one that the same tokens had before (or that `table` says)."""

    tolerance: float
    table: ToyModel | None = None
    seen: dict[tuple[int, ...], list[float]] = field(default_factory=dict)
    again: int = 0

    def __call__(self, law: Law, branches: Sequence[Branch]) -> list[int]:
        """As users draw."""
        for mass_V, branch in zip(law.mass_RK.tolist(), branches, strict=True):
            tokens = tuple(branch.tokens)
            known = self.seen.get(tokens)
            if known is None and self.table is not None:
                known = self.table.logits(tokens).softmax(-1).tolist()
            if known is not None:
                self.again += 1
                assert sum(abs(a - b) for a, b in zip(known, mass_V, strict=True)) / 2 <= self.tolerance
            self.seen.setdefault(tokens, mass_V)
        return addressed(law, branches)


@pytest.mark.parametrize("page_size", SHARES)
@pytest.mark.parametrize("row_budget", [512, 5])
def test_on_the_toy(page_size: int, row_budget: int) -> None:
    lab, half = toy_lab(page_size), SHARES[page_size] // 2
    draw = OneLaw(0.0, ToyModel())
    for seed in range(half):
        assert walk(lab, seed + 1000 * row_budget, draw=draw, row_budget=row_budget) == 0.0
    assert draw.again > 10 * half


def on(lab: Lab, walks: int, row_budget: int) -> None:
    draw = OneLaw(lab.tolerance)
    for seed in range(walks):
        assert walk(lab, seed, draw=draw, row_budget=row_budget) == 0.0
    assert draw.again > walks


@pytest.mark.parametrize("row_budget", [512, 7])
@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_on_a_real_engine(mode: str, row_budget: int) -> None:
    on(tiny(mode), REAL["tiny"], row_budget)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_on_a_trained_model(mode: str) -> None:
    on(stories(mode), REAL["stories"], 16)  # type: ignore[arg-type]


def test_there_are_a_thousand() -> None:
    assert sum(SHARES.values()) + 4 * REAL["tiny"] + 2 * REAL["stories"] == 1000
