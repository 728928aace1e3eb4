"""The verbs: prefill, fork, advance, score, truncate, drop (and room, check) over branches.

The engine's laws (tests/laws/test_engine.py):
    1 fork is free of consequence     2 neighbours don't matter      3 chunks don't matter      4 room is exact
    5 truncate undoes advance         6 drop returns every page      7 every way of taking a step has plain's law
Verbs are strict: one that does not fit raises OutOfPages and leaves the books as they were. The driver is what makes
room.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from ramify.core.errors import BadInput, OutOfPages, UnknownName
from ramify.core.ledger import Ledger
from ramify.core.protocols import AnyReward, Combined, Judged
from ramify.core.random import child_address
from ramify.core.strict import whole
from ramify.core.types import Branch, Continuation, Prompt
from ramify.core.weak import weakly
from ramify.engine.admission import admitted
from ramify.engine.asking import likelihoods
from ramify.engine.companions import Companions
from ramify.engine.drafts import Speculator
from ramify.engine.draws import Draw, Toss, addressed, addressed_toss
from ramify.engine.forcing import append, extend, likeliest
from ramify.engine.guidance import Guidance
from ramify.engine.model import Model
from ramify.engine.prompts import note_prompt_logprobs
from ramify.engine.rewards import combined, judged, score_views
from ramify.engine.stepping import Stepping
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
        toss: how a search's own uniform number is drawn (tests replace it).
    """

    def __init__(
        self,
        target: Model,
        others: Mapping[str, Model] | None = None,
        *,
        row_budget: int = 512,
        draw: Draw = addressed,
        speculator: Speculator | None = None,
        toss: Toss = addressed_toss,
    ) -> None:
        self.target, self.others = target, dict(others or {})
        self.row_budget, self.toss = whole("row_budget", row_budget, 1, 1 << 20), toss
        self.branches: dict[int, Branch] = {}
        self.companions = Companions(self.branches, weakly(self._models), weakly(self._take_id))
        self.guidance = Guidance(target, self.others, weakly(self.read), self.companions)
        self.stepping = Stepping(target, self.guidance, self.row_budget, draw, speculator)
        self._next_id = 0

    @property
    def draw(self) -> Draw:
        """How a token is drawn from a law."""
        return self.stepping.draw

    @property
    def speculator(self) -> Speculator | None:
        """What drafts, if anything does."""
        return self.stepping.speculator

    @speculator.setter
    def speculator(self, speculator: Speculator | None) -> None:
        self.stepping.speculator = speculator

    @property
    def models(self) -> list[Model]:
        """Target first."""
        return self._models()

    def open(self, prompt: Prompt, ledger: Ledger | None = None) -> Branch:
        """A branch that stands at the end of a prompt; nothing is read yet.

        Raises:
            BadInput: the prompt is empty and the model has no begin token, longer than the context, or names a token
                that the vocabulary lacks.
        """
        tokens, bad_runs = admitted(prompt, self.target)
        limit, most = self.guidance.admit(prompt), prompt.sampling.max_tokens
        branch = Branch(
            id=self._take_id(),
            tokens=tokens,
            num_prompt=len(tokens),
            address=prompt.address,
            sampling=prompt.sampling,
            rule=prompt.sampling.rule(bad_runs),
            max_length=limit if most is None else min(limit, len(tokens) + most),
            speculate=prompt.speculate,
            guide=prompt.guide,
            bookmarks=prompt.bookmarks,
            salt=prompt.salt,
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
                note_prompt_logprobs(self.target, branch, prompt.sampling.prompt_logprobs, self.read)
            self.read([branch])
        except BaseException:
            branch.ledger.prompt_tokens -= branch.num_prompt
            self.drop([branch])
            raise
        return branch

    def fork(self, branch: Branch, n: int, temperature: float | None = None) -> list[Branch]:
        """n branches that go on from where `branch` stands, each with its own randomness; `branch` stays as it was.

        `temperature` replaces the branch's own for them.

        Raises:
            BadInput: n is not between 1 and MAX_BRANCHES less those alive.
        """
        self._alive([branch])
        whole("n", n, 1, MAX_BRANCHES - len(self.branches))
        first = self._next_id + 1
        try:
            children = [self._child(branch) for _ in range(n)]
            if temperature is not None:
                for child in children:
                    child.reheat(temperature)
            return children
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

    def step(
        self, branches: Sequence[Branch], most: Mapping[int, int] | None = None, chunk: int | None = None
    ) -> list[Branch]:
        """One step of `Stepping.step`; returns those that drew.

        Raises:
            OutOfPages: the pass does not fit; nothing was changed.
        """
        return self.stepping.step(self._live(branches), most or {}, chunk)

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
        live, book = self._live(branches), self.target.book
        free = book.free if pages is None else pages - book.unique_pages(b.id for b in branches)
        low, high = 0, max((b.max_length - len(b.tokens) for b in live), default=0)
        while low < high:
            middle = (low + high + 1) // 2
            fits = book.needed(self._demands(live, middle)) <= free
            low, high = (middle, high) if fits else (low, middle - 1)
        return low

    def score(self, branches: Sequence[Branch], reward: AnyReward) -> list[float]:
        """The reward of each branch: `final` for those that are done, `partial` for the others.

        Raises:
            RewardError: the reward raised, or returned something that is no number.
            UnknownName: the reward reads a model that this engine has not. OutOfPages: that model has no room for them.
        """
        self._alive(branches)
        if isinstance(reward, Combined):
            parts = [self.score(branches, part) for part in reward.parts]
            return combined(reward, parts, len(branches))
        if isinstance(reward, Judged):
            answers = self.ask(branches, reward.question, reward.choices, reward.model)
            return judged(reward, answers)
        models = self.models_of(reward)
        for model in models:
            self.read(branches, model)
        return score_views(branches, reward, self.target.codec, models[0] if models else None)

    def models_of(self, reward: AnyReward) -> list[Model]:
        """The models that keep values for a reward, each once.

        Raises:
            UnknownName: this engine has none of that name.
        """
        if isinstance(reward, Combined):
            return list(dict.fromkeys(model for part in reward.parts for model in self.models_of(part)))
        if isinstance(reward, Judged) or reward.model is None:
            return []
        if reward.model not in self.others:
            raise UnknownName("reward model", reward.model, self.others)
        return [self.others[reward.model]]

    def ask(
        self,
        sources: Sequence[Branch],
        question: str,
        choices: Sequence[str],
        by: str | None = None,
        seen: Callable[[Sequence[Branch]], None] = lambda aside: None,
    ) -> list[list[float]]:
        """Log-probability of each choice behind each branch's text and a question (natural logarithm).

        `seen` is shown the branches that this takes, before they are dropped.

        Raises:
            BadInput: a choice or the question has no tokens, or they do not fit the context. OutOfPages: see `read`.
        """
        self._alive(sources)
        model = self.guidance.model(by)
        return likelihoods(model, sources, question, choices, self._aside, self.read, self.drop, seen)

    def likeliest(self, branches: Sequence[Branch], k: int) -> list[list[Continuation]]:
        """The k likeliest next tokens of each branch. See `forcing.likeliest`."""
        self._alive(branches)
        return likeliest(self.target, self.guidance, branches, k)

    def extend(self, branches: Sequence[Branch], tokens: Sequence[int]) -> None:
        """Put a chosen token behind each branch. See `forcing.extend`."""
        self._alive(branches)
        extend(self.target, self.guidance, branches, tokens)

    def append(self, branch: Branch, text: str) -> int:
        """Put a text behind a branch as if it had been drawn; returns how many tokens that was.

        Raises:
            BadInput: the branch is done, or it would be longer than it may.
        """
        self._alive([branch])
        return append(branch, self.target.codec.encode_after(text))

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
        branch.cut_back(length)

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
                self.companions.close(branch)
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
            guide=branch.guide,
            writer=branch.writer,
            bookmarks=branch.bookmarks,
            notes=branch.notes.copy(),
            salt=branch.salt,
            drafted=branch.drafted.copy(),
            cut=branch.cut,
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
        self.companions.clone(branch, child)
        return child

    def _aside(self, branch: Branch, tokens: Sequence[int]) -> Branch:
        """A branch of its own with `tokens` behind the text (its end token left out), as long as the model reads."""
        aside = self._child(branch)
        branch.forks -= 1
        branch.ledger.forks -= 1
        aside.max_length, aside.bookmarks = self.target.runner.max_positions, False
        if aside.finish == "stop" and aside.text_end is None:  # without its end token
            aside.tokens.pop()
            for model in self.models:
                model.truncate(aside, len(aside.tokens), resume=not tokens)
        aside.finish = None
        aside.tokens += tokens
        return aside

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

    def _models(self) -> list[Model]:
        drafts = [] if self.speculator is None else self.speculator.models
        return [self.target, *self.others.values(), *drafts]

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id
