"""One model as the engine holds it: a runner, the book of its pages, and how far each branch has been read.

Every model of an engine keeps its own pages for a branch and catches up lazily, so that each reads each token once.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ramify.core.errors import BadInput, BooksUnbalanced, OutOfPages
from ramify.core.ledger import Kind, ModelAccount
from ramify.core.protocols import Codec
from ramify.core.sampling import Rule
from ramify.core.types import Branch
from ramify.engine.drafts import Draft, is_chain
from ramify.engine.likelihood import keep_logprobs
from ramify.engine.reading import Agenda, Reading, chunk_of
from ramify.engine.runner import Chunk, Runner
from ramify.engine.scheduler import Behind, Standing, schedule, shared_runs
from ramify.kv.book import Book, Demand
from ramify.kv.pages import Copy
from ramify.model.rolling import Rolled

Scores = Literal["value", "logprob"]


class Model:
    """A model's numbers, pages and readings.

    Args:
        role: its name in ledgers: "target", or a reward's.
        scores: it keeps a value of every generated token: "value" is its value head's, "logprob" the token's
            log-probability under the model (False: none; True is "value").
        kind: what ledgers count its tokens as; "reward" if it scores.
    """

    def __init__(
        self, role: str, runner: Runner, codec: Codec, *, scores: Scores | bool = False, kind: Kind | None = None
    ) -> None:
        self.role, self.runner, self.codec = role, runner, codec
        self.scores: Scores | None = "value" if scores is True else scores or None
        self.kind: Kind = kind or ("reward" if self.scores else "writer")
        self.book = Book(runner.num_pages, runner.page_size)
        self.readings: dict[int, Reading] = {}

    def open(self, branch: Branch) -> None:
        """Know a branch; nothing is read yet."""
        if branch.id not in self.readings:
            self.readings[branch.id] = Reading()
            self.book.open(branch.id, ())

    def clone(self, source: Branch, branch: Branch) -> None:
        """Let `branch` stand where `source` stands, on the same pages."""
        if source.id in self.readings:
            self.book.clone(source.id, branch.id)
            self.readings[branch.id] = self.readings[source.id].twin()

    def held(self, branch: Branch) -> int:
        """Tokens of the branch that its pages hold."""
        return self.book.tables[branch.id].length

    def require_context(self, branches: Iterable[Branch]) -> None:
        """Refuse branches that are longer than this model can read.

        Raises:
            BadInput: one of them is.
        """
        longest, context = max((len(b.tokens) for b in branches), default=0), self.runner.max_positions
        if longest > context:
            raise BadInput("context", f"{self.role!r} reads {context} tokens, not {longest}; lower max_tokens")

    def holds(self, branch: Branch) -> bool:
        """Whether it has any pages of this model."""
        return branch.id in self.book.tables and self.held(branch) > 0

    def frontier(self, branch: Branch) -> Tensor | None:
        """The hidden row of the branch's last token, if it has been read."""
        return self.readings[branch.id].anchors.get(len(branch.tokens))

    def last_read(self, branch: Branch) -> Tensor | None:
        """The hidden row of the last token but one, which the last one was drawn from."""
        return self.readings[branch.id].anchors.get(len(branch.tokens) - 1)

    def truncate(self, branch: Branch, length: int, *, resume: bool = True) -> None:
        """Forget what was read from `length` on.

        Without an anchor there, the last token is read again, unless others come behind it at once (not `resume`): a
        draft waits until they do.
        """
        if branch.id not in self.readings:
            return
        reading = self.readings[branch.id]
        reading.cut(length)
        if self.held(branch) >= length:
            again = resume and self.scores is None and self.kind != "draft" and length not in reading.anchors
            self.book.truncate(branch.id, length - again)
        del reading.values[length - branch.num_prompt :]
        reading.furthest = min(reading.furthest, length)

    def release(self, branch: Branch) -> None:
        """Give the branch's pages up; its tokens stay, and are read again when they are wanted."""
        self.release_id(branch.id)

    def release_id(self, branch: int) -> None:
        """`release`, for who knows a branch by its number only."""
        if branch in self.readings:
            self.book.truncate(branch, 0)
            self.readings[branch].anchors.clear()

    def close(self, branch: Branch) -> None:
        """Forget a branch."""
        self.readings.pop(branch.id, None)
        if branch.id in self.book.tables:
            self.book.close(branch.id)

    def check(self, alive: Container[int]) -> None:
        """Audit the book, and that every reading belongs to a branch that is alive.

        Raises:
            BooksUnbalanced: pages lost or counted twice, or held for nobody.
        """
        self.book.check()
        strays = [branch for branch in self.book.tables if branch not in alive or branch not in self.readings]
        if strays:
            raise BooksUnbalanced(f"{self.role}: pages are held for branches {strays[:5]}, which are gone")

    def behind(self, branches: Iterable[Branch]) -> list[Branch]:
        """Those of which this model has not read all that it will be asked about."""
        return [b for b in dict.fromkeys(branches) if not self._through(b)]

    def _through(self, branch: Branch) -> bool:
        if self.scores:  # values outlive pages that were given up: they are numbers, not tensors
            return branch.num_generated <= len(self.readings[branch.id].values)
        return self.frontier(branch) is not None

    def catch_up(self, branches: Sequence[Branch], row_budget: int, *, leave: int = 0) -> None:
        """Read one step's worth of what these branches are behind (see `scheduler`), all but the last `leave` tokens.

        Raises:
            OutOfPages: the step does not fit; nothing was changed.
        """
        self.carry_out(self.agenda(branches, row_budget, leave=leave))

    def agenda(
        self, branches: Sequence[Branch], row_budget: int, *, leave: int = 0, chunk: int | None = None
    ) -> Agenda:
        """What a step's worth of catching up comes to; nothing is read yet.

        `leave` is for branches that are further behind than that; `chunk`: see `schedule`.
        """
        behind = {b.id: b for b in self.behind(branches)}
        for branch in behind.values():
            self.reuse(branch)
            self._step_back(branch)
        followers = shared_runs([self._standing(b) for b in behind.values()])
        limits = {b.id: len(b.tokens) - leave for b in behind.values()}
        for leader, length in followers.values():
            limits[leader] = min(limits[leader], max(length, self.held(behind[leader])))
        leaders = [b for b in behind.values() if b.id not in followers]
        rows = schedule([Behind(b.id, limits[b.id] - self.held(b)) for b in leaders], row_budget, chunk)
        follow = [(behind[leader], behind[f], limits[leader], length) for f, (leader, length) in followers.items()]
        return Agenda([(b, rows[b.id]) for b in leaders if b.id in rows], follow, row_budget - sum(rows.values()))

    def _step_back(self, branch: Branch) -> None:
        """A branch that was cut back may lack the row that its next token, or value, comes from: read it again."""
        reading, held = self.readings[branch.id], self.held(branch)
        if self.scores == "logprob":
            wanted = branch.num_prompt + len(reading.values)
            if held >= wanted and wanted not in reading.anchors:
                self.book.truncate(branch.id, wanted - 1)
        elif held == len(branch.tokens):
            self.book.truncate(branch.id, held - 1)

    def ready(self, agenda: Agenda) -> list[Branch]:
        """Those that read their last token and nothing else: a draft may stand behind it."""
        return [b for b, count in agenda.reading if count == 1 and self.held(b) == len(b.tokens) - 1]

    def carry_out(self, agenda: Agenda, drafts: Mapping[int, Draft] | None = None) -> dict[int, Tensor]:
        """Read what the agenda says, and behind the last token of some branches what was drafted for them.

        Whoever follows a branch with a draft (a chain) holds the draft's rows, too.

        Returns: branch id -> hidden rows of its last token and of its draft's, [1 + N, D]. Until `keep` says which of
        them stay, tables are longer than their branch's tokens.
        Raises:
            OutOfPages: the step does not fit; nothing was changed.
        """
        hidden = self._read(agenda.reading, drafts or {})
        for leader, follower, limit, length in agenda.followers:
            if self.held(leader) >= limit:
                beyond = len(drafts[leader.id].tokens) if drafts and leader.id in drafts else 0
                self._follow(leader, follower, length, beyond)
        return hidden

    def read_nodes(self, trees: Sequence[tuple[Branch, Sequence[int], Sequence[int]]]) -> Tensor:
        """Read drafted tokens behind branches that are up to date: (branch, tokens, parents of all nodes so far).

        Returns: their hidden rows, in order. `keep` says later which of them stay.
        Raises:
            OutOfPages: they do not fit; nothing was changed.
        """
        self.runner.copy(self._grow([(b.id, len(b.tokens) + len(parents)) for b, _, parents in trees]))
        chunks = list[Chunk]()
        for branch, tokens, parents in trees:
            pages, length = self.book.tables[branch.id].pages, len(branch.tokens)
            if is_chain(parents):
                chunks.append(Chunk(tokens, length + len(parents) - len(tokens), pages))
            else:
                chunks.append(Chunk(tokens, length, pages, parents))
        hidden_RD = self.runner.forward(chunks)
        for branch, tokens, parents in trees:
            self._bill(branch, len(branch.tokens) + len(parents) - len(tokens), len(tokens))
        for ledger in {id(b.ledger): b.ledger for b, *_ in trees}.values():
            ledger.model(self.role).passes += 1
        return hidden_RD

    def roll(
        self,
        branches: Sequence[Branch],
        counts: Sequence[int],
        uniform_BK: NDArray[np.float64],
        rule: Rule,
        *,
        laws: bool,
    ) -> Rolled:
        """Read what branches are behind (a token or more each) and draw counts[b] more; all but the last are read, too.

        The branches stay as they are; `keep` says later what of it stays.
        Raises:
            OutOfPages: it does not fit; nothing was changed.
        """
        assert self.runner.rolling is not None
        ends = [len(b.tokens) + count - 1 for b, count in zip(branches, counts, strict=True)]
        starts = [self.held(b) for b in branches]
        self.runner.copy(self._grow([(b.id, end) for b, end in zip(branches, ends, strict=True)]))
        reads = [b.tokens[start:] for b, start in zip(branches, starts, strict=True)]
        tables = [self.book.tables[b.id].pages for b in branches]
        rolled = self.runner.rolling(reads, starts, tables, counts, uniform_BK, rule, laws=laws)
        for branch, start, end, count in zip(branches, starts, ends, counts, strict=True):
            self._bill(branch, start, end - start)
            account, reading = branch.ledger.model(self.role), self.readings[branch.id]
            account.flops += count * self.runner.costs.logits
            account.passes += 1
            account.recomputed += max(0, min(len(branch.tokens), reading.furthest) - start)
            reading.furthest = max(reading.furthest, len(branch.tokens))
            self._publish(branch)
        return rolled

    def keep(self, branch: Branch, start: int, path: Sequence[int], hidden_ND: Tensor | None = None) -> None:
        """Of what was drafted behind the branch's first `start` tokens, keep the rows of a path; forget the others."""
        table = self.book.tables[branch.id]
        if list(path) != [*range(len(path))]:
            pairs = [(start + node, start + i) for i, node in enumerate(path) if node != i]
            self.runner.move(table.pages, [node for node, _ in pairs], [to for _, to in pairs])
        self.book.truncate(branch.id, start + len(path))
        reading = self.readings[branch.id]
        reading.furthest = max(reading.furthest, start + len(path))
        if hidden_ND is not None and path:  # rows that stay, as if each had been read by itself: the last one leads on,
            self._forget_anchors(branch)  # another one does if the text is cut back to it before the next step
            rows_ND = hidden_ND[[1 + node for node in path]]
            reading.anchors |= {start + 1 + i: row_D for i, row_D in enumerate(rows_ND)}

    def reuse(self, branch: Branch) -> None:
        """A branch that holds nothing may find its prompt in the prefix tree (its last token is read)."""
        wanted = branch.sampling.prompt_logprobs is not None and not branch.prompt_logprobs  # then every row is
        if self.held(branch) == 0 and not wanted:
            ahead = self.scores == "logprob"  # the first value is the prompt's last row's
            end = min(branch.num_prompt - ahead, len(branch.tokens) - 1)
            self.book.close(branch.id)
            reading = self.readings[branch.id]
            reading.furthest = max(reading.furthest, self.book.open(branch.id, branch.tokens[:end], salt=branch.salt))

    def _follow(self, leader: Branch, follower: Branch, length: int, beyond: int = 0) -> None:
        """Let `follower` stand where `leader` stands, at `length` at most: up to there their tokens agree.

        `beyond` rows of a draft stay behind it.
        """
        length = min(length, self.held(leader))
        self.book.clone(leader.id, follower.id)
        self.book.truncate(follower.id, length + beyond)
        lead, reading = self.readings[leader.id], self.readings[follower.id]
        reading.anchors = {at: row for at, row in lead.anchors.items() if at <= length}
        reading.furthest = max(reading.furthest, length)
        reading.published |= lead.published and leader.num_prompt == follower.num_prompt
        lacking = follower.num_prompt + len(reading.values) - leader.num_prompt  # from there on in the leader's
        reading.values += lead.values[lacking : max(lacking, length - leader.num_prompt)]

    def _standing(self, branch: Branch) -> Standing:
        table = self.book.tables[branch.id]
        inputs = self.readings[branch.id].inputs(branch.tokens)
        return Standing(branch.id, table.length, table.pages, inputs, branch.num_prompt, branch.salt)

    def _read(self, reading: Sequence[tuple[Branch, int]], drafts: Mapping[int, Draft]) -> dict[int, Tensor]:
        if not reading:
            return {}
        starts = [self.held(b) for b, _ in reading]
        beyond = [len(drafts[b.id].tokens) if b.id in drafts else 0 for b, _ in reading]
        demands = zip(reading, starts, beyond, strict=True)
        copies = self._grow([(b.id, start + count + more) for (b, count), start, more in demands])
        try:
            self.runner.copy(copies)
            return self._take_in(reading, starts, {copy.dst for copy in copies}, drafts)
        except BaseException:
            for branch, _ in reading:  # what their new slots hold is unknown: they are read again when wanted
                self.release(branch)
            raise

    def _take_in(
        self,
        reading: Sequence[tuple[Branch, int]],
        starts: Sequence[int],
        copied: Container[int],
        drafts: Mapping[int, Draft],
    ) -> dict[int, Tensor]:
        chunks = [
            chunk_of(b, start, count, self.book.tables[b.id].pages, drafts.get(b.id), self.readings[b.id].mixtures)
            for (b, count), start in zip(reading, starts, strict=True)
        ]
        hidden_RD = self.runner.forward(chunks)
        values = self.runner.values(hidden_RD).tolist() if self.scores == "value" else []
        firsts = list(accumulate((len(chunk.tokens) for chunk in chunks), initial=0))
        ends = [first + count for first, (_, count) in zip(firsts, reading, strict=False)]
        last_BD = hidden_RD[[end - 1 for end in ends]]  # rows of their own: an anchor must not keep the whole step's
        drafted = dict[int, Tensor]()
        for (branch, count), start, end, last_D, after in zip(reading, starts, ends, last_BD, firsts[1:], strict=True):
            if (watcher := self.readings[branch.id].watcher) is not None:
                watcher(start, hidden_RD[end - count : end])
            if self.scores == "logprob":
                mine, rows_nD = self.readings[branch.id], hidden_RD[end - count : end]
                keep_logprobs(self.runner, self._account(branch), mine, branch, start, rows_nD)
            self._note(branch, start, count, last_D)
            if branch.bookmarks:
                rows = hidden_RD[end - count : end].clone()
                self.readings[branch.id].anchors |= {start + 1 + i: row_D for i, row_D in enumerate(rows)}
            self.readings[branch.id].keep_values(branch.num_prompt, start, values[end - count : end])
            page = self.book.tables[branch.id].pages[start // self.runner.page_size]
            branch.ledger.pages_copied += page in copied
            if branch.id in drafts:
                drafted[branch.id] = hidden_RD[end - 1 : after]
                self._bill(branch, start + count, after - end)
        for ledger in {id(b.ledger): b.ledger for b, _ in reading}.values():
            ledger.model(self.role).passes += 1
        return drafted

    def _note(self, branch: Branch, start: int, count: int, last_D: Tensor) -> None:
        end, reading = start + count, self.readings[branch.id]
        if end == len(branch.tokens) or self.scores == "logprob":  # the next value may be a follower's own
            self._forget_anchors(branch)
            reading.anchors[end] = last_D
        self._bill(branch, start, count)
        branch.ledger.model(self.role).recomputed += max(0, min(end, reading.furthest) - start)
        reading.furthest = max(reading.furthest, end)
        if end >= branch.num_prompt:
            self._publish(branch)

    def _publish(self, branch: Branch) -> None:
        """Let others find its prompt, which has been read."""
        if not self.readings[branch.id].published:
            self.book.publish(branch.id, branch.tokens[: branch.num_prompt], branch.salt)
            self.readings[branch.id].published = True

    def _forget_anchors(self, branch: Branch) -> None:
        """All but the prompt's, unless the branch wants to keep them."""
        if not branch.bookmarks:
            reading = self.readings[branch.id]
            reading.anchors = {at: row for at, row in reading.anchors.items() if at == branch.num_prompt}

    def lend(self, leader: Branch, branch: Branch) -> None:
        """Let a branch hold what was read of a text that is the beginning of its own, read as tokens."""
        self.open(branch)
        if self.held(branch) < self.held(leader) and not self.readings[branch.id].mixtures:
            self._follow(leader, branch, self.held(leader))

    def stand_beside(self, leader: Branch, branch: Branch) -> None:
        """Let a branch that has read nothing stand where `leader` stood at the end of the same prompt, if it knows."""
        lead = self.readings.get(leader.id)
        if lead is not None and branch.num_prompt in lead.anchors and self.held(leader) >= branch.num_prompt:
            self.open(branch)
            self._follow(leader, branch, branch.num_prompt)

    def _grow(self, demands: Sequence[Demand]) -> list[Copy]:
        try:
            return self.book.grow(demands)
        except OutOfPages as error:
            error.role = self.role
            raise

    def _account(self, branch: Branch) -> ModelAccount:
        return branch.ledger.model(self.role, self.kind)

    def _bill(self, branch: Branch, start: int, count: int) -> None:
        account, costs = self._account(branch), self.runner.costs
        account.tokens += count
        account.flops += count * (costs.row + costs.context * (start + (count + 1) / 2))
