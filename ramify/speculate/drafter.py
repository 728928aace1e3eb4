"""What drafts: an object that proposes a tree for each of some branches, and is told what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.speculate.shapes import Growth, Path, Shape
from ramify.speculate.tree import Chance, Masses, TokenTree


@dataclass(frozen=True)
class Order:
    """A tree wanted behind a branch's last token: its shape, and the randomness it may grow by.

    Whoever does not want the laws may get a tree without them (then its tokens are `given`).
    """

    branch: Branch
    shape: Shape
    chance: Chance
    wants_laws: bool = True


class Drafter(Protocol):
    """A way of drafting.

    Laws: a tree depends on its own branch and order alone; every law in it is the one its children were drawn from.
    """

    @property
    def name(self) -> str:
        """As tables and ledgers call it."""
        ...

    @property
    def models(self) -> Sequence[Model]:
        """The models that it reads branches with."""
        ...

    @property
    def has_laws(self) -> bool:
        """Whether its tokens are drawn from laws, so that it can fill any shape. Others fill none: they look up."""
        ...

    def prepare(self, orders: Sequence[Order]) -> None:
        """Read what is lacking of the branches' text, where that is more than what the last step brought.

        Raises:
            OutOfPages: its models have no room.
        """
        ...

    def propose(self, orders: Sequence[Order]) -> Mapping[int, TokenTree]:
        """A tree for each order it was prepared for, by the branch's id; none for a branch that it has nothing for.

        Raises:
            DraftError: what it would propose is no draft. OutOfPages: its models have no room.
        """
        ...

    def keep(self, branch: Branch, length: int, path: Sequence[int]) -> None:
        """The branch was `length` tokens long when it was drafted for; these drafted tokens were accepted."""
        ...

    def share(self, leader: Branch, follower: Branch) -> None:
        """The follower has the leader's text, and is judged by the draft that was made for that one."""
        ...

    def forget(self, branch: Branch) -> None:
        """The branch is gone."""
        ...


class LawsOf(Protocol):
    """Laws behind several branches at once: after each of the paths of drafted tokens that each wants."""

    def __call__(self, wanted: Sequence[tuple[Branch, Sequence[Path]]]) -> Sequence[Sequence[Masses]]: ...


def grow_together(orders: Sequence[Order], laws_of: LawsOf) -> dict[int, TokenTree]:
    """Grow all trees level by level, with one call of `laws_of` a level for all of them."""
    growing, trees = list[tuple[Branch, Growth, list[Path]]](), dict[int, TokenTree]()
    for order in orders:
        growth = order.shape.growth(order.chance)
        growing.append((order.branch, growth, next(growth)))
    while growing:
        laws = laws_of([(branch, paths) for branch, _, paths in growing])
        still = list[tuple[Branch, Growth, list[Path]]]()
        for (branch, growth, _), masses in zip(growing, laws, strict=True):
            try:
                still.append((branch, growth, growth.send(masses)))
            except StopIteration as end:
                trees[branch.id] = end.value
        growing = still
    return trees
