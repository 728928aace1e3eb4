"""Rows whose law other models shape: who has to read what before a draw, and the logits that come of it.

    R rows, V vocabulary

A guide never draws: it turns logits into logits, in front of the one place that makes laws of them. Models that it asks
catch up lazily, so one that is asked about a branch at last reads then all that it has missed, once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ramify.core.errors import BadInput, OutOfPages, UnknownName
from ramify.core.types import Branch, Guide
from ramify.engine.model import Model

Read = Callable[[Sequence[Branch], Model], None]


class Factor(Guide, Protocol):
    """A guide with its arithmetic. Laws: row r of what it returns depends on row r's branch alone."""

    def shape(self, rows: "Rows") -> tuple[Tensor, list[float] | None]:
        """The logits to draw from, [R, V], and a note for each row (kept in `branch.notes`), if it makes any."""


@dataclass(frozen=True)
class Rows:
    """What a guide sees of a step: its branches, the logits of the model that leads, and a way to ask others."""

    branches: Sequence[Branch]
    logits_RV: Tensor
    _ask: Callable[[str | None, Sequence[Branch]], Tensor]

    def logits_of(self, role: str | None, rows: Sequence[int] | None = None) -> Tensor:
        """Another model's logits (None: the target's) of some rows, or of all; it reads what it has missed first."""
        branches = self.branches if rows is None else [self.branches[row] for row in rows]
        return self._ask(role, branches)


class Guidance:
    """The models beside a target, and how they come into a step."""

    def __init__(self, target: Model, others: Mapping[str, Model], read: Read) -> None:
        self.target, self.others, self._read = target, others, read

    def writer(self, branch: Branch) -> Model:
        """The model that must have read a branch before its next token is drawn."""
        role = branch.writer or (branch.guide.leads(branch) if branch.guide is not None else None)
        return self.model(role)

    def model(self, role: str | None) -> Model:
        """A model by its role; None is the target.

        Raises:
            UnknownName: there is none of that name.
        """
        if role is None or role == self.target.role:
            return self.target
        if role not in self.others:
            raise UnknownName("model", role, self.others)
        return self.others[role]

    def elsewhere(self, live: Iterable[Branch]) -> dict[str, list[Branch]]:
        """The branches that another model than the target leads, by its role."""
        groups = dict[str, list[Branch]]()
        for branch in live:
            if branch.guide is not None or branch.writer is not None:
                model = self.writer(branch)
                if model is not self.target:
                    groups.setdefault(model.role, []).append(branch)
        return groups

    def logits(self, role: str | None, branches: Sequence[Branch]) -> Tensor:
        """A model's next-token logits of branches, [R, V of the target]; it reads what it has not read."""
        model = self.model(role)
        self.with_room(branches, model)
        rows = [model.frontier(b) for b in branches]
        for branch in branches:
            branch.ledger.model(model.role).flops += model.runner.costs.logits
        return _fitted(model.runner.logits(torch.stack(rows)), self.target.runner.vocab_size)  # type: ignore[arg-type]

    def with_room(self, branches: Sequence[Branch], model: Model) -> None:
        """Read branches; whoever else holds pages of that model gives them up if they are short."""
        try:
            self._read(branches, model)
        except OutOfPages:
            if model is self.target:
                raise
            keep = {b.id for b in branches}
            for branch in model.readings.keys() - keep:
                model.release_id(branch)
            self._read(branches, model)

    def shaped(self, logits_RV: Tensor, branches: Sequence[Branch]) -> Tensor:
        """The rows with every guide's part in them. `logits_RV` are those of the models that lead."""
        groups = dict[int, list[int]]()
        for row, branch in enumerate(branches):
            if branch.guide is not None:
                groups.setdefault(id(branch.guide), []).append(row)
        if not groups:
            return logits_RV
        logits_RV = logits_RV.clone()
        for rows in groups.values():
            members = [branches[row] for row in rows]
            guide: Factor = members[0].guide  # type: ignore[assignment]
            shaped_RV, notes = guide.shape(Rows(members, logits_RV[rows], self.logits))
            if shaped_RV.shape != (len(rows), logits_RV.shape[-1]):
                raise BadInput("guide", f"{guide.name!r} made logits of shape {tuple(shaped_RV.shape)}")
            logits_RV[rows] = shaped_RV.to(logits_RV.dtype)
            for branch, note in zip(members, notes or (), strict=notes is not None):
                branch.notes.append(note)
        return logits_RV


def _fitted(logits_RV: Tensor, size: int) -> Tensor:
    """Vocabularies padded to different sizes: what the target lacks is cut, what the other lacks is impossible."""
    lacking = size - logits_RV.shape[-1]
    if lacking > 0:
        return torch.nn.functional.pad(logits_RV, (0, lacking), value=-torch.inf)
    return logits_RV[:, :size]
