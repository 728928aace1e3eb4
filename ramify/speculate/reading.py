"""Rows of a model behind a branch, path by path: what a drafter with laws reads while its trees grow.

R rows, V vocabulary, D hidden width
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ramify.core.types import Branch
from ramify.engine.model import Model
from ramify.maths.law import final_law
from ramify.speculate.shapes import Path
from ramify.speculate.tree import Masses

Slots = dict[Path, int]  # which of the rows behind a branch holds the last token of a path
Nodes = tuple[Branch, Sequence[int], Sequence[int]]  # (branch, new tokens, parents of all nodes so far)
Read = Callable[[Sequence[Nodes]], Tensor]  # the new nodes' hidden rows, in order


class TreeReader:
    """Reads each path once, level by level.

    Args:
        read: reads new nodes behind branches.
        root: the hidden row after a branch's text; None if the text's last token is read as a tree's first node.
    """

    def __init__(self, read: Read, root: Callable[[Branch], Tensor | None]) -> None:
        self.read, self.root = read, root
        self.slots: dict[int, Slots] = {}

    def rows(self, wanted: Sequence[tuple[Branch, Sequence[Path]]]) -> Tensor:
        """The hidden rows after paths whose beginnings have been asked for before; those that are new are read."""
        nodes, fresh, roots = list[Nodes](), dict[tuple[int, Path], int](), dict[int, Tensor]()
        for branch, paths in wanted:
            slots, root = self.slots.setdefault(branch.id, {}), self.root(branch)
            if root is not None:
                roots[branch.id] = root
            new = [path for path in dict.fromkeys(paths) if (path or root is None) and path not in slots]
            for path in new:
                fresh[branch.id, path] = len(fresh)
                slots[path] = len(slots)
            if new:
                parents = [slots.get(path[:-1], -1) if path else -1 for path in slots]
                nodes.append((branch, [(branch.tokens[-1:] + list(path))[-1] for path in new], parents))
        read_RD = self.read(nodes) if nodes else torch.empty(0)
        found = [
            roots[branch.id] if not path and branch.id in roots else read_RD[fresh[branch.id, path]]
            for branch, paths in wanted
            for path in paths
        ]
        return torch.stack(found)

    def take(self, branch: Branch, path: Sequence[int]) -> list[int] | None:
        """The slots of a path's tokens as far as they were read (None: nothing was); then the branch is forgotten."""
        slots = self.slots.pop(branch.id, None)
        if slots is None:
            return None
        beginnings = (tuple(path[: i + 1]) for i in range(len(path)))
        return [slots[beginning] for beginning in beginnings if beginning in slots]


def laws_of(
    model: Model, logits_RV: Tensor, wanted: Sequence[tuple[Branch, Sequence[Path]]], role: str, vocab_size: int
) -> list[list[Masses]]:
    """The laws of rows of logits, one a path, by each branch's own rule and with the path's own tokens.

    `vocab_size` is the target's: rows that a vocabulary was padded with are no tokens.
    """
    found, first = list[list[Masses]](), 0
    lacking = vocab_size - logits_RV.shape[-1]
    logits_RV = torch.nn.functional.pad(logits_RV, (0, lacking), value=-torch.inf)  # cuts where it is negative
    for branch, paths in wanted:
        prompt, generated = branch.tokens[: branch.num_prompt], branch.generated
        law = final_law(
            logits_RV[first : first + len(paths)], branch.rule, [prompt] * len(paths), [[*generated, *p] for p in paths]
        )
        found.append(list(law.dense(vocab_size).double().cpu().numpy()))
        branch.ledger.model(role).flops += len(paths) * model.runner.costs.logits
        first += len(paths)
    return found
