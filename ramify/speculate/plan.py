"""Which shape each branch's draft gets in a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ramify.core.types import Branch
from ramify.speculate.shapes import Independent, Shape


class Plan(Protocol):
    """Decides before a step what is drafted, and learns from what came of it.

    Law: decides by drafts and the past only; what a target's row says is known after its draft was planned.
    """

    def shapes(self, branches: Sequence[Branch], most: Mapping[int, int], rows: int) -> Sequence[Shape | None]:
        """A shape for each branch (None drafts nothing), of at most `most` levels; empty if nobody drafts."""
        ...

    def drafted(self, branches: int, reading: float, seconds: float, trees: Mapping[int, Any]) -> None:
        """What drafting took: seconds of reading text that was new to the drafter, and of drafting itself."""
        ...

    def learn(self, branch: Branch, accepted: int, tested: int) -> None:
        """A draft's path was `accepted` long, and put to the test to depth `tested`."""
        ...

    def took(self, branches: int, rows: int, seconds: float) -> None:
        """What a step took in which so many branches read so many rows; drafting included."""
        ...

    def forget(self, branch: Branch) -> None:
        """The branch is gone."""
        ...


@dataclass(frozen=True)
class Always:
    """The same shape in every step, cut to the levels that are left; branches that it has no rows for wait."""

    shape: Shape

    def shapes(self, branches: Sequence[Branch], most: Mapping[int, int], rows: int) -> Sequence[Shape | None]:
        """One each, while there are rows for them."""
        found, left = list[Shape | None](), rows
        for branch in branches:
            shape = self.shape.within(most[branch.id])
            left -= shape.nodes
            found.append(shape if left >= 0 else None)
        return found if any(found) else []

    def drafted(self, branches: int, reading: float, seconds: float, trees: Mapping[int, Any]) -> None:
        """Nothing to learn."""

    def learn(self, branch: Branch, accepted: int, tested: int) -> None:
        """Nothing to learn."""

    def took(self, branches: int, rows: int, seconds: float) -> None:
        """Nothing to learn."""

    def forget(self, branch: Branch) -> None:
        """Nothing to forget."""


def chain(length: int) -> Shape:
    """A chain of so many tokens, each drawn from its law."""
    return Independent((1,) * length)
