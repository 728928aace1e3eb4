"""A Python function drafts: (tokens, most) -> tokens that may follow, or a tree of them.

A function that returns tokens has looked them up, as far as anybody knows, so the rule must read given trees. One that
draws returns a `TokenTree` with the laws that it drew from; it is audited, because a law that the tokens did not come
from would change what is sampled.
"""

from collections.abc import Callable, Mapping, Sequence

from ramify.core.errors import DraftError
from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.speculate.drafter import Order
from ramify.speculate.tree import TokenTree, audited

Draft = Callable[[Sequence[int], int], Sequence[int] | TokenTree]


class FunctionDrafter:
    """Drafts by a user's function of the text so far and the most levels wanted."""

    has_laws = False

    def __init__(self, function: Draft, vocab_size: int, *, reads_laws: bool) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self.function, self.vocab_size, self.reads_laws = function, vocab_size, reads_laws

    @property
    def models(self) -> Sequence[Model]:
        """None that the engine knows of."""
        return ()

    def prepare(self, orders: Sequence[Order]) -> None:
        """Nothing to read."""

    def propose(self, orders: Sequence[Order]) -> Mapping[int, TokenTree]:
        """One call a branch."""
        trees = dict[int, TokenTree]()
        for order in orders:
            try:
                trees[order.branch.id] = self._tree(order)
            except DraftError as error:
                error.branch = order.branch.id
                raise
        return trees

    def keep(self, branch: Branch, length: int, path: Sequence[int]) -> None:
        """The function sees the text."""

    def share(self, leader: Branch, follower: Branch) -> None:
        """Nothing was read for the one that the other could have."""

    def forget(self, branch: Branch) -> None:
        """The function knows no branches."""

    def _tree(self, order: Order) -> TokenTree:
        try:
            drafted = self.function(tuple(order.branch.tokens), order.shape.depth)
        except Exception as error:
            raise DraftError(f"the draft function {self.name!r} raised {error!r}") from error
        if not isinstance(drafted, TokenTree):
            drafted = self._chain(drafted)
        if self.reads_laws and drafted.how == "given" and drafted.tokens:
            raise DraftError(f"{self.name!r} returned tokens without laws; let the verifier be 'coupled'")
        return audited(drafted, self.vocab_size)

    def _chain(self, drafted: object) -> TokenTree:
        if isinstance(drafted, str | bytes) or not isinstance(drafted, Sequence):
            raise DraftError(f"{self.name!r} returned {drafted!r}; token ids or a TokenTree are expected")
        if any(isinstance(token, bool) or not isinstance(token, int) for token in drafted):
            raise DraftError(f"{self.name!r} returned {list(drafted)[:8]!r}; token ids are whole numbers")
        return TokenTree(tuple(drafted), tuple(range(-1, len(drafted) - 1)), {}, "given")
