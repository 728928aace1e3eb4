"""Drafts that are looked up in text: `ngram`, `suffix`, or anything else that knows what followed before."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.speculate.drafter import Order
from ramify.speculate.tree import TokenTree


class Lookup(Protocol):
    """Tokens that may follow a text; `key` names a branch."""

    def look_up(self, key: int, tokens: Sequence[int], most: int) -> TokenTree: ...

    def forget(self, key: int) -> None: ...


class LookupDrafter:
    """Drafts without a model. What it proposes did not come by chance, so the rule must read given trees.

    Args:
        learn: is told every finished text.
    """

    has_laws = False

    def __init__(self, name: str, lookup: Lookup, learn: Callable[[Sequence[int]], None] | None = None) -> None:
        self.name, self.lookup, self.learn = name, lookup, learn

    @property
    def models(self) -> Sequence[Model]:
        """None."""
        return ()

    def prepare(self, orders: Sequence[Order]) -> None:
        """Nothing to read."""

    def propose(self, orders: Sequence[Order]) -> Mapping[int, TokenTree]:
        """As many tokens as the order's shape is deep."""
        return {o.branch.id: self.lookup.look_up(o.branch.id, o.branch.tokens, o.shape.depth) for o in orders}

    def keep(self, branch: Branch, length: int, path: Sequence[int]) -> None:
        """The index follows by itself."""

    def share(self, leader: Branch, follower: Branch) -> None:
        """Nothing was read for the one that the other could have."""

    def forget(self, branch: Branch) -> None:
        """A finished text may be learnt from."""
        if branch.done and self.learn is not None:
            self.learn(branch.tokens)
        self.lookup.forget(branch.id)
