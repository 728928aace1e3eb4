"""A smaller model drafts: it reads a branch as the target does, and its own drafts behind it.

Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", arXiv:2211.17192; Chen et al.,
arXiv:2302.01318. What was accepted stays read, so that each token of a branch is read by it once. A model that is small
enough draws a whole chain in one call (`ramify.model.rolling`).

    R rows, V vocabulary
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ramify.core.errors import BrokenNumbers, DraftError
from ramify.core.sampling import Rule
from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.maths.law import final_law
from ramify.model.rolling import follows
from ramify.speculate.drafter import Order, grow_together
from ramify.speculate.shapes import Independent, Path
from ramify.speculate.tree import Masses, TokenTree

SHORT = 8  # tokens that are read one by one on the way
Slots = dict[Path, int]  # which of the rows behind the branch holds the last token of a path


class ModelDrafter:
    """Drafts with a model of the target's vocabulary.

    Args:
        row_budget: most rows that it reads in one pass when it catches up.
    """

    has_laws = True

    def __init__(self, model: Model, row_budget: int = 512) -> None:
        self.name, self.model, self.row_budget = model.role, model, row_budget
        self._slots: dict[int, Slots] = {}
        self._rolled: dict[int, int] = {}  # drafted tokens that were read

    @property
    def models(self) -> Sequence[Model]:
        """The one model."""
        return [self.model]

    def prepare(self, orders: Sequence[Order]) -> None:
        """Take back what nobody told the fate of, and read prompts."""
        for order in self._readable(orders):
            self._rewind(order.branch)
        self._catch_up([o.branch for o in self._readable(orders) if self._lacks(o.branch) > SHORT])

    def propose(self, orders: Sequence[Order]) -> Mapping[int, TokenTree]:
        """One pass of the model a level, or none; branches that it cannot read so far get nothing."""
        orders = self._readable(orders)
        rolling = [o for o in orders if self._can_roll(o)]
        others = [o for o in orders if o not in rolling]
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
        slots, rolled = self._slots.pop(branch.id, None), self._rolled.pop(branch.id, None)
        if slots is not None:
            read = [tuple(path[: i + 1]) for i in range(len(path))]
            self.model.keep(branch, length, [slots[p] for p in read if p in slots])
        elif rolled is not None:
            kept = min(
                len(path), rolled, len(branch.tokens) - 1 - length
            )  # a last token is read again for what follows
            self.model.keep(branch, length, range(kept))

    def forget(self, branch: Branch) -> None:
        """Its pages go with the engine's."""
        self._slots.pop(branch.id, None)
        self._rolled.pop(branch.id, None)

    def _readable(self, orders: Sequence[Order]) -> list[Order]:
        context = self.model.runner.max_positions
        return [o for o in orders if len(o.branch.tokens) + o.shape.depth <= context]

    def _lacks(self, branch: Branch) -> int:
        return len(branch.tokens) - self.model.held(branch)

    def _catch_up(self, branches: Sequence[Branch]) -> None:
        while self.model.behind(branches):
            self.model.catch_up(branches, self.row_budget)

    def _can_roll(self, order: Order) -> bool:
        chain = isinstance(order.shape, Independent) and order.shape.is_chain
        return chain and self.model.runner.rolling is not None and follows(order.branch.rule)

    def _roll(self, orders: Sequence[Order], rule: Rule) -> dict[int, TokenTree]:
        """Chains, each drawn in one go; what the order's chance would choose from is not asked of it."""
        for branch in (order.branch for order in orders):
            if self.model.held(branch) == len(branch.tokens):  # its last token is read again, with what follows
                self.model.book.truncate(branch.id, len(branch.tokens) - 1)
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
        read = self._slots.pop(branch.id, None) is not None or self._rolled.pop(branch.id, None) is not None
        if read and self.model.held(branch) >= len(branch.tokens):
            self.model.keep(branch, len(branch.tokens) - (self.model.frontier(branch) is None), [])

    def _laws(self, wanted: Sequence[tuple[Branch, Sequence[Path]]]) -> list[list[Masses]]:
        rows = self._rows(wanted)
        logits_RV = self.model.runner.logits(torch.stack(rows))
        found, first = list[list[Masses]](), 0
        for branch, paths in wanted:
            prompt, generated = branch.tokens[: branch.num_prompt], branch.generated
            drawn = [[*generated, *path] for path in paths]
            some_RV = logits_RV[first : first + len(paths)]
            law = final_law(some_RV, branch.rule, [prompt] * len(paths), drawn)
            found.append(list(law.dense(self.model.runner.vocab_size).double().cpu().numpy()))
            branch.ledger.model(self.name).flops += len(paths) * self.model.runner.costs.logits
            first += len(paths)
        return found

    def _rows(self, wanted: Sequence[tuple[Branch, Sequence[Path]]]) -> list[torch.Tensor]:
        """The hidden row of each path's last token; those that are not read yet are read now."""
        nodes, fresh = list[tuple[Branch, list[int], list[int]]](), dict[tuple[int, Path], int]()
        for branch, paths in wanted:
            slots = self._slots.setdefault(branch.id, {})
            new = [path for path in dict.fromkeys(paths) if path]
            for path in new:
                fresh[branch.id, path] = len(fresh)
                slots[path] = len(slots)
            if new:
                parents = [slots[path[:-1]] if len(path) > 1 else -1 for path in slots]
                nodes.append((branch, [path[-1] for path in new], parents))
        hidden_RD = self.model.read_nodes(nodes) if nodes else torch.empty(0)
        rows = list[torch.Tensor]()
        for branch, paths in wanted:
            for path in paths:
                root = self.model.frontier(branch)
                assert path or root is not None
                rows.append(hidden_RD[fresh[branch.id, path]] if path else root)  # type: ignore[arg-type]
        return rows
