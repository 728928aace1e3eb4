"""One step: every branch reads what it is behind, then draws a token, or several where a draft is accepted.

R rows, V vocabulary, D hidden width, N nodes of a draft
"""

from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter

import torch
from torch import Tensor

from ramify.core.errors import OutOfPages
from ramify.core.types import Branch
from ramify.engine.drafting import drafts_for
from ramify.engine.drafts import Draft, Speculator
from ramify.engine.draws import Draw, draw_tokens
from ramify.engine.ending import settle
from ramify.engine.guidance import Guidance
from ramify.engine.model import Model
from ramify.engine.reading import Agenda
from ramify.engine.verification import Taken, Verified, logprobs_taken, take


class Stepping:
    """How a step is taken. `speculator` None decodes plainly; `guidance` knows who else has a say in a row."""

    def __init__(
        self, target: Model, guidance: Guidance, row_budget: int, draw: Draw, speculator: Speculator | None
    ) -> None:
        self.target, self.guidance, self.row_budget = target, guidance, row_budget
        self.draw, self.speculator = draw, speculator

    def step(self, live: Sequence[Branch], most: Mapping[int, int], chunk: int | None = None) -> list[Branch]:
        """One forward pass of each model that leads, and a draw for each branch that is up to date.

        Args:
            most: branch id -> how many tokens it may grow by; without limit if it is not named.
            chunk: most rows of prompts beside branches that draw.

        Returns: those that drew.
        Raises:
            OutOfPages: the pass does not fit; nothing was changed.
        """
        began, elsewhere = perf_counter(), self.guidance.elsewhere(live)
        away = {b.id for some in elsewhere.values() for b in some}
        agenda = self.target.agenda([b for b in live if b.id not in away], self.row_budget, chunk=chunk)
        led_RV = [self.guidance.logits(role, some) for role, some in elsewhere.items()]
        hidden, drafts = self._carry_out(agenda, most)
        drafted = [[b, *(agenda.group(b) or [])] for b, _ in agenda.reading if b.id in hidden]
        busy = {b.id for group in drafted for b in group} | away
        ready = [b for b in live if b.id not in busy and self.target.frontier(b) is not None]
        rows = [self.target.frontier(b)[None] for b in ready] + [hidden[group[0].id] for group in drafted]  # type: ignore[index]
        led = [b for some in elsewhere.values() for b in some]
        if not rows and not led:
            return []
        parts = [self.target.runner.logits(torch.cat(rows))] if rows else []
        own = parts[0][: len(ready)] if parts else led_RV[0][:0]
        drawing = [*ready, *led]
        try:
            logits_RV = self.guidance.shaped(torch.cat([own, *(part.to(own.dtype) for part in led_RV)]), drawing)
        except BaseException:
            for branch in (b for group in drafted for b in group):  # nobody will say which rows of their drafts stay
                self.target.truncate(branch, len(branch.tokens))
            raise
        for branch, (token, logprob) in zip(drawing, draw_tokens(logits_RV, drawing, self.draw), strict=True):
            branch.logprobs += logprob
            self._append(branch, token)
        if self.speculator is not None and drafted:
            self._verify(parts[0], len(ready), drafted, drafts, hidden, most)
        self._account(agenda, drafts, ready, drafted, perf_counter() - began)
        for branch in led:
            branch.ledger.draws += 1
        return [*drawing, *(b for group in drafted for b in group)]

    def _verify(
        self,
        logits_RV: Tensor,
        first: int,
        drafted: Sequence[Sequence[Branch]],
        drafts: Mapping[int, Draft],
        hidden: Mapping[int, Tensor],
        most: Mapping[int, int],
    ) -> None:
        """Follow each draft as far as it is accepted; the drafts' rows begin at `first`."""
        assert self.speculator is not None
        verified = list[Verified]()
        for group in drafted:
            draft = drafts[group[0].id]
            verified += [Verified(b, draft, first, len(b.tokens)) for b in group]
            first = verified[-1].rows.stop
        rows_of = {b.id: hidden[group[0].id] for group in drafted for b in group}
        for each, tokens in take(logits_RV, verified, self.speculator, self.draw):
            self._grow(each, tokens, logits_RV, rows_of[each.branch.id], most)

    def _carry_out(self, agenda: Agenda, most: Mapping[int, int]) -> tuple[dict[int, Tensor], Mapping[int, Draft]]:
        """Read what is lacking, and drafts behind it if there is room for them."""
        if self.speculator is not None and (drafts := drafts_for(self.target, self.speculator, agenda, most)):
            try:
                return self.target.carry_out(agenda, drafts), drafts
            except OutOfPages:
                pass
        return self.target.carry_out(agenda), {}

    def _grow(
        self,
        verified: Verified,
        tokens: Iterator[Taken],
        logits_RV: Tensor,
        hidden_ND: Tensor,
        most: Mapping[int, int],
    ) -> None:
        """Append what was taken, as far as the branch goes, and keep the rows of what was drafted of it."""
        branch, taken = verified.branch, list[Taken]()
        for token, node in tokens:
            taken.append((token, node))
            self._append(branch, token)
            if branch.done or len(taken) == most.get(branch.id):
                break
        branch.logprobs += logprobs_taken(logits_RV, verified, taken)
        path, tested = verified.outcome(taken)
        branch.drafted.update(range(verified.start, verified.start + len(path)))
        self.target.keep(branch, verified.start, path, hidden_ND)
        branch.ledger.drafts.note(len(verified.draft.tokens), len(path), tested)
        assert self.speculator is not None
        self.speculator.learn(branch, verified.draft, verified.start, path, tested)

    def _account(
        self,
        agenda: Agenda,
        drafts: Mapping[int, Draft],
        ready: Sequence[Branch],
        drafted: Sequence[Sequence[Branch]],
        seconds: float,
    ) -> None:
        """Bill logits and draws; tell the speculator what the step took, unless somebody read a prompt beside."""
        counts = [(b, 1) for b in ready]
        counts += [
            (b, 0 if i else 1 + len(drafts[group[0].id].tokens)) for group in drafted for i, b in enumerate(group)
        ]
        for branch, count in counts:
            branch.ledger.draws += 1
            branch.ledger.model(self.target.role).flops += count * self.target.runner.costs.logits
        rows = sum(len(draft.tokens) for draft in drafts.values()) + len(agenda.reading)
        if self.speculator is not None and all(count == 1 for _, count in agenda.reading):
            self.speculator.took(len(agenda.reading), rows, seconds)

    def _append(self, branch: Branch, token: int) -> None:
        branch.tokens.append(token)
        branch.ledger.generated_tokens += 1
        settle(branch, self.target.codec)
