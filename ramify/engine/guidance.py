"""Rows whose law other models shape: who has to read what before a draw, and the logits that come of it.

    R rows, V vocabulary

A guide never draws: it turns logits into logits, in front of the one place that makes laws of them. Models that it asks
catch up lazily, so one that is asked about a branch at last reads then all that it has missed, once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ramify.core.errors import BadInput, OutOfPages, UnknownName
from ramify.core.types import Branch, Guide, Prompt
from ramify.engine.companions import Companions, Context
from ramify.engine.model import Model

Read = Callable[[Sequence[Branch], Model], None]


class Factor(Guide, Protocol):
    """A guide with its arithmetic. Laws: row r of what it returns depends on row r's branch alone."""

    def shape(self, rows: "Rows") -> tuple[Tensor, list[float] | None]:
        """The logits to draw from, [R, V], and a note for each row (kept in `branch.notes`; None notes 0)."""


@runtime_checkable
class Comparing(Protocol):
    """A guide that asks for `logits_behind` this context."""

    @property
    def negative(self) -> str | Context | None:
        """A text, tokens, or (None) the last token of each prompt alone."""


@dataclass(frozen=True)
class Rows:
    """What a guide sees of a step: its branches, the logits of the model that leads, and a way to ask others."""

    branches: Sequence[Branch]
    logits_RV: Tensor
    _guidance: "Guidance"

    def logits_of(self, role: str | None, rows: Sequence[int] | None = None) -> Tensor:
        """Another model's logits (None: the target's) of some rows, or of all; it reads what it has missed first."""
        branches = self.branches if rows is None else [self.branches[row] for row in rows]
        return self._guidance.logits(role, branches)

    def logits_behind(self, context: str | Context | None) -> Tensor:
        """The target's logits of all rows, had their texts another prompt: a text, its tokens, or (None) nothing but
        the last token of their own."""
        context = self._guidance.context_of(context)
        others = [b.tokens[b.num_prompt - 1 : b.num_prompt] for b in self.branches]
        pairs = zip(self.branches, others, strict=True)
        companions = self._guidance.companions
        beside = [companions.beside(b, tuple(last) if context is None else context) for b, last in pairs]
        return self._guidance.logits(None, beside)

    def begins_word(self) -> Tensor:
        """Which tokens begin a word or end the text (their texts start with white space), bool [V]."""
        return self._guidance.begins_word()


class Guidance:
    """The models beside a target, and how they come into a step."""

    def __init__(self, target: Model, others: Mapping[str, Model], read: Read, companions: Companions) -> None:
        self.target, self.others, self._read, self.companions = target, others, read, companions
        self._begins_V: Tensor | None = None

    def admit(self, prompt: Prompt) -> int:
        """Refuse a guide whose models are not there; else the most tokens that all who read its branches can.

        Raises:
            UnknownName: there is no model of that name. BadInput: it is a reward's, or the prompt fills its context.
        """
        limit = self.target.runner.max_positions
        for role in prompt.guide.models if prompt.guide is not None else ():
            limit = min(limit, self.model(role).runner.max_positions)
            if len(prompt.tokens) >= limit:
                raise BadInput("prompt", f"{len(prompt.tokens)} tokens leave no room in {role!r}'s context of {limit}")
        if isinstance(prompt.guide, Comparing) and (context := self.context_of(prompt.guide.negative)) is not None:
            size, most = self.target.runner.vocab_size, self.target.runner.max_positions
            if any(not 0 <= token < size for token in context) or not 0 < len(context) < most:
                raise BadInput("negative", f"1 to {most - 1} tokens of a vocabulary of {size}, not {context[:8]}")
            limit = min(limit, most - len(context) + len(prompt.tokens))
        return limit

    def context_of(self, context: str | Context | None) -> Context | None:
        """A context's tokens."""
        return tuple(self.target.codec.encode(context)) if isinstance(context, str) else context

    def begins_word(self) -> Tensor:
        """See `Rows.begins_word`; found out once."""
        if self._begins_V is None:
            codec, size = self.target.codec, self.target.runner.vocab_size
            before = next((t for t in range(size) if codec.decode([t]).strip().isalnum()), 0)
            texts = [codec.continuation([before], [token]) for token in range(size)]
            begins = [token in codec.end_ids or text[:1].isspace() for token, text in enumerate(texts)]
            self._begins_V = torch.tensor(begins)
        return self._begins_V

    def writer(self, branch: Branch) -> Model:
        """The model that must have read a branch before its next token is drawn."""
        role = branch.writer or (branch.guide.leads(branch) if branch.guide is not None else None)
        return self.model(role)

    def model(self, role: str | None) -> Model:
        """A model by its role; None is the target.

        Raises:
            UnknownName: there is none of that name. BadInput: it keeps scores.
        """
        if role is None or role == self.target.role:
            return self.target
        if role not in self.others:
            raise UnknownName("model", role, self.others)
        if self.others[role].scores:
            raise BadInput("model", f"{role!r} keeps scores; it neither draws nor answers. Name a language model")
        return self.others[role]

    def hand_over(self, role: str | None, branches: Iterable[Branch]) -> None:
        """Let a model write branches from here on: none of them grows longer than it can read.

        Raises:
            UnknownName: there is no such model. BadInput: it is a reward's, or a branch fills its context already.
        """
        limit = self.model(role).runner.max_positions
        for branch in branches:
            if not branch.done and len(branch.tokens) >= limit:
                raise BadInput("context", f"{role!r} reads {limit} tokens, and a text has them; lower max_tokens")
            branch.max_length = min(branch.max_length, limit) if not branch.done else branch.max_length

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
        """A model's next-token logits of branches, [R, V of the target]; it reads what it has not read.

        Branches that another model has no room for together are read one half after the other.
        """
        model = self.model(role)
        try:
            self.with_room(branches, model)
        except OutOfPages as error:
            if model is self.target:
                raise
            if len(branches) == 1:
                error.branch = branches[0].id
                raise
            half = len(branches) // 2
            return torch.cat([self.logits(role, branches[:half]), self.logits(role, branches[half:])])
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
        logits_RV, noted = logits_RV.clone(), list[tuple[Branch, float]]()
        for rows in groups.values():
            members = [branches[row] for row in rows]
            guide: Factor = members[0].guide  # type: ignore[assignment]
            shaped_RV, notes = guide.shape(Rows(members, logits_RV[rows], self))
            if shaped_RV.shape != (len(rows), logits_RV.shape[-1]):
                raise BadInput("guide", f"{guide.name!r} made logits of shape {tuple(shaped_RV.shape)}")
            logits_RV[rows] = shaped_RV.to(logits_RV.dtype)
            noted += zip(members, [0.0] * len(members) if notes is None else notes, strict=True)
        for branch, note in noted:  # once all had their say: whoever runs out of pages before leaves no note
            branch.notes.append(note)
        return logits_RV


def _fitted(logits_RV: Tensor, size: int) -> Tensor:
    """Vocabularies padded to different sizes: what the target lacks is cut, what the other lacks is impossible."""
    lacking = size - logits_RV.shape[-1]
    if lacking > 0:
        return torch.nn.functional.pad(logits_RV, (0, lacking), value=-torch.inf)
    return logits_RV[:, :size]
