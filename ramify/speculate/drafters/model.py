"""A smaller model drafts: it reads a branch as the target does, and its own drafts behind it.

Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", arXiv:2211.17192; Chen et al.,
arXiv:2302.01318. What was accepted stays read, so that each token of a branch is read by it once.

    R rows, V vocabulary
"""

from collections.abc import Mapping, Sequence

import torch

from ramify.core.errors import BrokenNumbers, DraftError
from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.maths.law import final_law
from ramify.speculate.drafter import Order, grow_together
from ramify.speculate.shapes import Path
from ramify.speculate.tree import Masses, TokenTree

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

    @property
    def models(self) -> Sequence[Model]:
        """The one model."""
        return [self.model]

    def propose(self, orders: Sequence[Order]) -> Mapping[int, TokenTree]:
        """One pass of the model a level; branches that it cannot read so far get nothing."""
        context = self.model.runner.max_positions
        orders = [o for o in orders if len(o.branch.tokens) + o.shape.depth <= context]
        for order in orders:
            self._rewind(order.branch)
        branches = [order.branch for order in orders]
        while self.model.behind(branches):
            self.model.catch_up(branches, self.row_budget)
        try:
            return grow_together(orders, self._laws)
        except BrokenNumbers as error:
            raise DraftError(f"draft {self.name!r}: {error}") from error

    def keep(self, branch: Branch, length: int, path: Sequence[int]) -> None:
        """The accepted tokens that it has read stay read."""
        if (slots := self._slots.pop(branch.id, None)) is not None:
            read = [tuple(path[: i + 1]) for i in range(len(path))]
            self.model.keep(branch, length, [slots[p] for p in read if p in slots])

    def forget(self, branch: Branch) -> None:
        """Its pages go with the engine's."""
        self._slots.pop(branch.id, None)

    def _rewind(self, branch: Branch) -> None:
        """A draft that nobody told the fate of is taken back."""
        self.model.open(branch)
        if self._slots.pop(branch.id, None) is not None:
            self.model.keep(branch, min(len(branch.tokens), self.model.held(branch)), [])

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
