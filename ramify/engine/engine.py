"""The verbs: prefill, fork, advance, score, truncate, drop (and room, check) over branches.

The engine's laws (tests/laws/test_engine.py):
    1 fork is free of consequence     2 neighbours don't matter      3 chunks don't matter      4 room is exact
    5 truncate undoes advance         6 drop returns every page      7 every way of taking a step has plain's law
Verbs are strict: one that does not fit raises OutOfPages and leaves the books as they were. The driver is what makes
room.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import perf_counter

import torch

from ramify.core.errors import BadInput, OutOfPages, UnknownName
from ramify.core.ledger import Ledger
from ramify.core.protocols import Reward
from ramify.core.random import child_address, root_address
from ramify.core.strict import whole
from ramify.core.types import Branch, Prompt, TokenLogprob
from ramify.engine.admission import admitted
from ramify.engine.drafting import drafts_for
from ramify.engine.drafts import Draft, Speculator
from ramify.engine.draws import Draw, addressed, draw_tokens, top_alternatives
from ramify.engine.ending import settle
from ramify.engine.model import Agenda, Model
from ramify.engine.rewards import score_views
from ramify.engine.verification import Taken, Verified, logprobs_taken, take
from ramify.kv.book import Demand

MAX_BRANCHES = 65_536


class Engine:
    """Branches over one target and any number of reward models.

    Args:
        target: the model that draws.
        others: models that rewards read, by the name rewards know them by.
        row_budget: most rows (tokens) one forward pass reads; longer prompts are read in chunks.
        draw: how a token is drawn from a law (tests replace it).
        speculator: drafts tokens for branches that want that; None decodes plainly.
    """

    def __init__(
        self,
        target: Model,
        others: Mapping[str, Model] | None = None,
        *,
        row_budget: int = 512,
        draw: Draw = addressed,
        speculator: Speculator | None = None,
    ) -> None:
        self.target = target
        self.others, self.speculator = dict(others or {}), speculator
        self.row_budget, self.draw = whole("row_budget", row_budget, 1, 1 << 20), draw
        self.branches: dict[int, Branch] = {}
        self._next_id = 0

    @property
    def models(self) -> list[Model]:
        """Target first."""
        drafts = [] if self.speculator is None else self.speculator.models
        return [self.target, *self.others.values(), *drafts]

    def open(self, prompt: Prompt, ledger: Ledger | None = None) -> Branch:
        """A branch that stands at the end of a prompt; nothing is read yet.

        Raises:
            BadInput: the prompt is empty and the model has no begin token, longer than the context, or names a token
                that the vocabulary lacks.
        """
        tokens, bad_runs = admitted(prompt, self.target)
        limit, most = self.target.runner.max_positions, prompt.sampling.max_tokens
        branch = Branch(
            id=self._take_id(),
            tokens=tokens,
            num_prompt=len(tokens),
            address=root_address(prompt.seed, prompt.request),
            sampling=prompt.sampling,
            rule=prompt.sampling.rule(bad_runs),
            max_length=limit if most is None else min(limit, len(tokens) + most),
            speculate=prompt.speculate,
            ledger=ledger if ledger is not None else Ledger(),
        )
        branch.ledger.prompt_tokens += len(tokens)
        self.branches[branch.id] = branch
        self.target.open(branch)
        return branch

    def prefill(self, prompt: Prompt, ledger: Ledger | None = None) -> Branch:
        """Open a branch and read its prompt.

        Raises:
            BadInput: see `open`.
            OutOfPages: the prompt does not fit; nothing was changed.
        """
        branch = self.open(prompt, ledger)
        try:
            self.target.reuse(branch)
            self._require([(branch.id, len(branch.tokens))])
            if prompt.sampling.prompt_logprobs is not None:
                self._prompt_logprobs(branch, prompt.sampling.prompt_logprobs)
            self.read([branch])
        except BaseException:
            branch.ledger.prompt_tokens -= branch.num_prompt
            self.drop([branch])
            raise
        return branch

    def fork(self, branch: Branch, n: int) -> list[Branch]:
        """n branches that go on from where `branch` stands, each with its own randomness; `branch` stays as it was.

        Raises:
            BadInput: n is not between 1 and MAX_BRANCHES less those alive.
        """
        self._alive([branch])
        whole("n", n, 1, MAX_BRANCHES - len(self.branches))
        first = self._next_id + 1
        try:
            return [self._child(branch) for _ in range(n)]
        except BaseException:
            self.drop([b for b in self.branches.values() if b.id >= first])
            raise

    def read(self, branches: Sequence[Branch], model: Model | None = None) -> None:
        """Let a model (the target, if none is named) read everything of these branches that it has not read."""
        self._alive(branches)
        model = model or self.target
        model.require_context(branches)
        for branch in branches:
            model.open(branch)
        while model.behind(branches):
            model.catch_up(branches, self.row_budget)

    def settle(self, branches: Sequence[Branch]) -> None:
        """Read everything but what the next step reads anyway, so that `room` counts what really is shared."""
        self._alive(branches)
        growing = [b for b in branches if not b.done or self._late(b)]
        while any(self._late(b) for b in growing):
            self.target.catch_up(growing, self.row_budget)

    def pages_for_step(self, branches: Sequence[Branch]) -> int:
        """Pages that these branches need for drawing one more token each, beside those they hold."""
        return self.target.book.needed(self._demands([b for b in branches if not b.done], 1))

    def step(self, branches: Sequence[Branch], most: Mapping[int, int] | None = None) -> list[Branch]:
        """One forward pass and one draw (several, where a draft is accepted) for each branch that is up to date.

        Args:
            most: branch id -> how many tokens it may grow by; without limit if it is not named.

        Returns: those that drew.
        Raises:
            OutOfPages: the pass does not fit; nothing was changed.
        """
        live, began = self._live(branches), perf_counter()
        agenda = self.target.agenda(live, self.row_budget)
        hidden, drafts = self._carry_out(agenda, most or {})
        drafted = [[b, *(agenda.group(b) or [])] for b, _ in agenda.reading if b.id in hidden]
        busy = {b.id for group in drafted for b in group}
        ready = [b for b in live if b.id not in busy and self.target.frontier(b) is not None]
        rows = [self.target.frontier(b)[None] for b in ready] + [hidden[group[0].id] for group in drafted]  # type: ignore[index]
        if not rows:
            return []
        logits_RV = self.target.runner.logits(torch.cat(rows))
        for branch, (token, logprob) in zip(ready, draw_tokens(logits_RV[: len(ready)], ready, self.draw), strict=True):
            branch.logprobs += logprob
            self._append(branch, token)
        first, verified = len(ready), list[Verified]()
        for group in drafted:
            draft = drafts[group[0].id]
            verified += [Verified(b, draft, first, len(b.tokens)) for b in group]
            first = verified[-1].rows.stop
        if self.speculator is not None and verified:
            rows_of = {b.id: hidden[group[0].id] for group in drafted for b in group}
            for each, tokens in take(logits_RV, verified, self.speculator, self.draw):
                self._grow(each, tokens, logits_RV, rows_of[each.branch.id], most or {})
        self._account(agenda, drafts, ready, drafted, perf_counter() - began)
        return [*ready, *(b for group in drafted for b in group)]

    def _carry_out(
        self, agenda: Agenda, most: Mapping[int, int]
    ) -> tuple[dict[int, torch.Tensor], Mapping[int, Draft]]:
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
        logits_RV: torch.Tensor,
        hidden_ND: torch.Tensor,
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

    def advance(self, branches: Sequence[Branch], n: int = 1) -> None:
        """Draw n more tokens for each branch (fewer for those that finish).

        Raises:
            OutOfPages: n tokens each do not fit (see `room`); nothing was changed.
        """
        whole("n", n, 1, 1 << 30)
        live = self._live(branches)
        self._require(self._demands(live, n))
        goals = {b: min(len(b.tokens) + n, b.max_length) for b in live}
        while pending := [b for b in live if not b.done and len(b.tokens) < goals[b]]:
            self.step(pending, {b.id: goals[b] - len(b.tokens) for b in pending})

    def room(self, branches: Sequence[Branch], pages: int | None = None) -> int:
        """How many tokens each branch can advance before pages run out: exact, unless one finishes earlier.

        Args:
            pages: count against this many pages for these branches together, instead of against the whole pool.
        """
        live, free = self._live(branches), self.target.book.free
        if pages is not None:
            free = pages - self.target.book.unique_pages(b.id for b in branches)
        low, high = 0, max((b.max_length - len(b.tokens) for b in live), default=0)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.target.book.needed(self._demands(live, middle)) <= free
            low, high = (middle, high) if fits else (low, middle - 1)
        return low

    def score(self, branches: Sequence[Branch], reward: Reward) -> list[float]:
        """The reward of each branch: `final` for those that are done, `partial` for the others.

        Raises:
            RewardError: the reward raised, or returned something that is no finite number.
            UnknownName: the reward reads a model that this engine has not. OutOfPages: that model has no room for them.
        """
        self._alive(branches)
        model = self.model_of(reward)
        if model is not None:
            self.read(branches, model)
        return score_views(branches, reward, self.target.codec, model)

    def model_of(self, reward: Reward) -> Model | None:
        """The model that a reward reads.

        Raises:
            UnknownName: this engine has none of that name.
        """
        if reward.model is not None and reward.model not in self.others:
            raise UnknownName("reward model", reward.model, self.others)
        return None if reward.model is None else self.others[reward.model]

    def truncate(self, branch: Branch, length: int) -> None:
        """Back to the branch's first `length` tokens, in every model; it may go on from there.

        Raises:
            BadInput: length is not between the prompt's and the branch's.
        """
        self._alive([branch])
        whole("length", length, branch.num_prompt, len(branch.tokens))
        if length == len(branch.tokens):
            return
        for model in self.models:
            model.truncate(branch, length)
        del branch.tokens[length:], branch.logprobs[length - branch.num_prompt :]
        branch.finish = branch.text_end = None

    def release(self, branch: Branch) -> None:
        """Give up the pages of a branch that lives on; they are computed again when they are needed."""
        for model in self.models:
            model.release(branch)

    def drop(self, branches: Iterable[Branch]) -> None:
        """Give back every page of these branches, in every model. Dropping a dropped branch does nothing."""
        for branch in branches:
            if self.branches.get(branch.id) is branch:
                del self.branches[branch.id]
                branch.alive = False
                for model in self.models:
                    model.close(branch)
                if self.speculator is not None:
                    self.speculator.forget(branch)

    def check(self) -> None:
        """Audit every model's book, and that it knows no branch that is not alive.

        Raises:
            BooksUnbalanced: see `Book.check`.
        """
        for model in self.models:
            model.check(self.branches)

    def _child(self, branch: Branch) -> Branch:
        child = Branch(
            id=self._take_id(),
            tokens=branch.tokens.copy(),
            num_prompt=branch.num_prompt,
            address=child_address(branch.address, branch.forks),
            sampling=branch.sampling,
            rule=branch.rule,
            max_length=branch.max_length,
            speculate=branch.speculate,
            ledger=branch.ledger,
            finish=branch.finish,
            parent=branch.id,
            forked_at=len(branch.tokens),
            text_end=branch.text_end,
            logprobs=branch.logprobs.copy(),
            prompt_logprobs=branch.prompt_logprobs,
        )
        branch.forks += 1
        branch.ledger.forks += 1
        self.branches[child.id] = child
        for model in self.models:
            model.clone(branch, child)
        return child

    def _late(self, branch: Branch) -> bool:
        return len(branch.tokens) - self.target.held(branch) > 1

    def _demands(self, live: Sequence[Branch], n: int) -> list[Demand]:
        # the last token drawn is not stored before somebody wants what comes after it
        return [(b.id, min(len(b.tokens) + n, b.max_length) - 1) for b in live]

    def _require(self, demands: Sequence[Demand]) -> None:
        book = self.target.book
        if (needed := book.needed(demands)) > book.free:
            raise OutOfPages(needed, book.free, len(self.branches))

    def _live(self, branches: Iterable[Branch]) -> list[Branch]:
        """Those that can grow, each once."""
        once = list(dict.fromkeys(branches))
        self._alive(once)
        return [branch for branch in once if not branch.done]

    def _alive(self, branches: Iterable[Branch]) -> None:
        for branch in branches:
            if self.branches.get(branch.id) is not branch:
                raise BadInput("branch", f"{branch.id} was dropped, or is another engine's; fork one that is alive")

    def _prompt_logprobs(self, branch: Branch, count: int) -> None:
        """Read the prompt in chunks and keep the raw log-probability of each token after the first."""
        kept: list[TokenLogprob | None] = [None]

        def keep(start: int, hidden_nD: torch.Tensor) -> None:
            tokens = branch.tokens[start + 1 : start + 1 + len(hidden_nD)]
            if tokens:
                branch.ledger.model(self.target.role).flops += len(tokens) * self.target.runner.costs.logits
                logprob_nV = self.target.runner.logits(hidden_nD[: len(tokens)]).log_softmax(-1)
                for token, row_V in zip(tokens, logprob_nV, strict=True):
                    kept.append(TokenLogprob(token, float(row_V[token]), top_alternatives(row_V, count)))

        self.target.watch(branch, keep)
        self.read([branch])  # prefill drops the branch, and its watcher, if this fails
        self.target.watch(branch, None)
        branch.prompt_logprobs = kept

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id
