"""A smaller model drafts: it reads a branch as the target does, and its own drafts behind it.

Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", arXiv:2211.17192; Chen et al.,
arXiv:2302.01318. What was accepted stays read, so that each token of a branch is read by it once. A model that is small
enough draws a whole chain in one call (`ramify.model.rolling`).

    R rows, V vocabulary
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ramify.core.errors import BrokenNumbers, DraftError
from ramify.core.sampling import Rule
from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.model.rolling import follows
from ramify.speculate.drafter import Order, grow_together
from ramify.speculate.reading import TreeReader, laws_of
from ramify.speculate.shapes import Independent, Path
from ramify.speculate.tree import Masses, TokenTree

SHORT = 8  # tokens that are read one by one on the way


class ModelDrafter:
    """Drafts with a model of the target's vocabulary.

    A prompt is read in chunks, one a step; there are no drafts behind it before it was read.

    Args:
        row_budget: most rows that it reads in one pass when it catches up.
        vocab_size: the target's, where one of the two is padded.
    """

    has_laws = True

    def __init__(self, model: Model, row_budget: int = 512, *, vocab_size: int | None = None) -> None:
        self.name, self.model, self.row_budget = model.role, model, row_budget
        self.vocab_size = vocab_size or model.runner.vocab_size
        self._reader = TreeReader(model.read_nodes, model.frontier)
        self._rolled: dict[int, int] = {}  # drafted tokens that were read

    @property
    def models(self) -> Sequence[Model]:
        """The one model."""
        return [self.model]

    def prepare(self, orders: Sequence[Order]) -> None:
        """Take back what nobody told the fate of, and read prompts: a chain's call reads the last token itself."""
        for order in self._readable(orders):
            self._rewind(order.branch)
        rolling, others = self._ways(orders)
        if late := [o.branch for o in rolling if self._lacks(o.branch) > SHORT]:
            self.model.catch_up(late, self.row_budget, leave=1)
        if late := [o.branch for o in others if self._lacks(o.branch) > SHORT]:
            self.model.catch_up(late, self.row_budget)

    def propose(self, orders: Sequence[Order]) -> Mapping[int, TokenTree]:
        """One pass of the model a level, or none; branches that it cannot read so far get nothing."""
        rolling, others = ([o for o in some if self._lacks(o.branch) <= SHORT] for some in self._ways(orders))
        self._catch_up([o.branch for o in others])
        try:
            trees = grow_together(others, self._laws)
            for rule in dict.fromkeys(o.branch.rule for o in rolling):
                trees |= self._roll([o for o in rolling if o.branch.rule == rule], rule)
        except BrokenNumbers as error:
            raise DraftError(f"draft {self.name!r}: {error}") from error
        return trees

    def keep(self, branch: Branch, length: int, path: Sequence[int]) -> None:
        """The accepted tokens that it has read stay read."""
        slots, rolled = self._reader.take(branch, path), self._rolled.pop(branch.id, None)
        if slots is not None:
            self.model.keep(branch, length, slots)
        elif rolled is not None:
            # a last token is read again for what follows
            kept = min(len(path), rolled, len(branch.tokens) - 1 - length)
            self.model.keep(branch, length, range(kept))

    def share(self, leader: Branch, follower: Branch) -> None:
        """What was read for the one has been read for the other."""
        if leader.id in self._rolled:
            self._rolled[follower.id] = self._rolled[leader.id]
        elif leader.id in self._reader.slots:
            self._reader.slots[follower.id] = self._reader.slots[leader.id].copy()
        else:
            return
        self.model.open(follower)
        self.model.book.clone(leader.id, follower.id)

    def forget(self, branch: Branch) -> None:
        """Its pages go with the engine's."""
        self._reader.take(branch, ())
        self._rolled.pop(branch.id, None)

    def _readable(self, orders: Sequence[Order]) -> list[Order]:
        context, size = self.model.runner.max_positions, self.model.runner.vocab_size
        short = [o for o in orders if len(o.branch.tokens) + o.shape.depth <= context]
        return short if size >= self.vocab_size else [o for o in short if max(o.branch.tokens) < size]

    def _ways(self, orders: Sequence[Order]) -> tuple[list[Order], list[Order]]:
        """Orders that are rolled, and the others. A branch of which every token was read, and nothing is known that a
        draft could start from, is in neither: its next token will be plain, sooner than that one is read again."""
        rolling, others = list[Order](), list[Order]()
        for order in self._readable(orders):
            if self._can_roll(order) and self._lacks(order.branch) > 0:
                rolling.append(order)
            elif self._lacks(order.branch) > 0 or self.model.frontier(order.branch) is not None:
                others.append(order)
        return rolling, others

    def _lacks(self, branch: Branch) -> int:
        return len(branch.tokens) - self.model.held(branch)

    def _catch_up(self, branches: Sequence[Branch]) -> None:
        while self.model.behind(branches):
            self.model.catch_up(branches, self.row_budget)

    def _can_roll(self, order: Order) -> bool:
        chain = isinstance(order.shape, Independent) and order.shape.is_chain
        rolls = self.model.runner.rolling is not None and self.model.runner.vocab_size == self.vocab_size
        return chain and rolls and follows(order.branch.rule)

    def _roll(self, orders: Sequence[Order], rule: Rule) -> dict[int, TokenTree]:
        """Chains, each drawn in one go; what the order's chance would choose from is not asked of it."""
        counts = [order.shape.depth for order in orders]
        uniform_BK = np.zeros((len(orders), max(counts)))
        for row_K, order, count in zip(uniform_BK, orders, counts, strict=True):
            row_K[:count] = [order.chance.uniform() for _ in range(count)]
        laws = any(order.wants_laws for order in orders)
        rolled = self.model.roll([o.branch for o in orders], counts, uniform_BK, rule, laws=laws)
        trees = dict[int, TokenTree]()
        for b, (order, count) in enumerate(zip(orders, counts, strict=True)):
            tokens = rolled.tokens_BK[b, :count].tolist()
            if min(tokens) < 0:
                raise BrokenNumbers
            drawn_from = {node - 1: mass_V for node, mass_V in enumerate(rolled.mass_BKV[b, :count])} if laws else {}
            parents = tuple(range(-1, count - 1))
            trees[order.branch.id] = TokenTree(tuple(tokens), parents, drawn_from, "iid" if laws else "given")
            self._rolled[order.branch.id] = count - 1
        return trees

    def _rewind(self, branch: Branch) -> None:
        """A draft that nobody told the fate of is taken back."""
        self.model.open(branch)
        self._reader.take(branch, ())
        self._rolled.pop(branch.id, None)
        if self._lacks(branch) < 0:
            self.model.keep(branch, len(branch.tokens), [])

    def _laws(self, wanted: Sequence[tuple[Branch, Sequence[Path]]]) -> list[list[Masses]]:
        logits_RV = self.model.runner.logits(self._reader.rows(wanted))
        return laws_of(self.model, logits_RV, wanted, self.name, self.vocab_size)
