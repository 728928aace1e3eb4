"""What the engine wants of speculation: drafted trees before a step reads, and a path of each after it.

    R rows, V vocabulary

`ramify.speculate` has drafters, rules and the controller behind this. The engine knows trees, rows and pages only.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from ramify.core.types import Branch
from ramify.maths.law import Law


class Draft(Protocol):
    """Drafted tokens as a tree behind a branch's last token: parents come first, -1 is that last token."""

    @property
    def tokens(self) -> Sequence[int]: ...

    @property
    def parents(self) -> Sequence[int]: ...


def is_chain(parents: Sequence[int]) -> bool:
    """Whether every node follows the one before it."""
    return all(parent == node - 1 for node, parent in enumerate(parents))


class Speculator(Protocol):
    """Drafts for branches, and judges drafts by the target's laws.

    Laws: what a branch becomes has plain decoding's law, whatever was drafted; nothing but drafts and the past decides
    what is drafted; a draft costs pages only while the step lasts.
    """

    @property
    def models(self) -> Sequence[Any]:
        """The `Model`s that it reads branches with; the engine keeps their books as it keeps its own."""
        ...

    @property
    def coupled(self) -> bool:
        """Whether the target's own draws decide (then `accept` is not asked)."""
        ...

    def propose(self, branches: Sequence[Branch], most: Mapping[int, int], rows: int) -> Mapping[int, Draft]:
        """A draft for some of the branches, by id: at most `most` levels each, `rows` nodes together."""
        ...

    def accept(self, branch: Branch, draft: Draft, law: Law) -> tuple[Sequence[int], int]:
        """An accepted path of nodes and the token after it. `law` row 0 is the root's, row 1 + i node i's."""
        ...

    def shared(self, leader: Branch, follower: Branch) -> None:
        """The leader's draft serves the follower, too, whose text is the same; `learn` is told of both."""
        ...

    def learn(self, branch: Branch, draft: Draft, length: int, path: Sequence[int], tested: int) -> None:
        """Learn what became of a draft behind the branch's first `length` tokens: the path of nodes that was accepted,
        and to which depth it was put to the test (not to its end, if the text ended on the way)."""
        ...

    def took(self, branches: int, rows: int, seconds: float) -> None:
        """Learn what a step took in which so many branches read so many rows, drafts among them."""
        ...

    def make_room(self, keep: Collection[int]) -> bool:
        """Give up pages of a branch that is not to `keep` its own; False if there is none."""
        ...

    def forget(self, branch: Branch) -> None:
        """The branch is gone."""
        ...
