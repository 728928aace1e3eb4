"""Runs hundreds of searches at once: merges what they yield into shared steps, and makes room when memory runs out.

A search sees only its own branches, its own budget and its own pages, so what it returns does not depend on who runs
beside it (token for token in exact mode). Sharing costs nobody anything: rows are billed to a branch that needed them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ramify.core.errors import BadInput, OutOfPages
from ramify.core.protocols import Extract, Reward
from ramify.core.types import Branch, Budget, Prompt, Selection
from ramify.core.wants import Advance, Answers, Drop, Fork, Marker, Score, Search, Truncate
from ramify.engine.ending import text_of
from ramify.engine.engine import Engine
from ramify.engine.memory import Memory
from ramify.engine.model import Model
from ramify.engine.session import Session, TreeNode, wants_room, wants_score

MOST_BRANCHES = 512
Progress = Callable[[int, int], None]  # (searches over, searches submitted)


class Driver:
    """Searches over one engine. `submit` them, then `run`.

    Args:
        extract: reads a final answer off a text, for searches that want answers.
        most_branches: a search waits while so many branches are alive, unless nobody else runs.
    """

    def __init__(
        self, engine: Engine, extract: Extract = lambda text: None, *, most_branches: int = MOST_BRANCHES
    ) -> None:
        self.engine, self.extract, self.most_branches = engine, extract, most_branches
        self.sessions: list[Session] = []
        self._running: list[Session] = []
        self._waiting: list[Session] = []
        self._memory = Memory(engine, self._running)

    def submit(
        self,
        search: Search[Selection],
        *,
        reward: Reward | None = None,
        budget: Budget | None = None,
        reserve: int = 0,
        width: int = 1,
    ) -> Session:
        """Queue a search.

        Args:
            reserve: pages that are its own while it runs (for searches that fill their room).
            width: branches it is expected to hold.
        """
        if reserve > self.engine.target.runner.num_pages:
            have = self.engine.target.runner.num_pages
            raise BadInput(
                "budget.pages", f"{reserve} pages asked for, the pool has {have}; lower it or raise --kv-gib"
            )
        session = Session(search, reward, budget or Budget(), reserve, width)
        self.sessions.append(session)
        self._waiting.append(session)
        return session

    def run(self, progress: Progress | None = None) -> None:
        """Until every submitted search is over. An error ends its own search (`session.error`) and no other.

        On anything that interrupts it (Ctrl-C) all branches are dropped first.
        """
        try:
            while self._waiting or self._running:
                self._admit()
                self._round()
                if progress is not None:
                    progress(sum(s.over for s in self.sessions), len(self.sessions))
        finally:
            for session in [*self._running, *self._waiting]:
                self._finish(session)
            self._running.clear()
            self._waiting, self.sessions = [], []

    def _admit(self) -> None:
        pages = sum(s.reserve for s in self._running)
        while self._waiting:
            session = self._waiting[0]
            alive = sum(s.width if s.fresh else len(s.branches) for s in self._running)
            crowded = bool(self._running) and alive + session.width > self.most_branches
            if crowded or pages + session.reserve > self.engine.target.runner.num_pages:
                return
            pages += session.reserve
            self._running.append(self._waiting.pop(0))
            self._guard(session, session.begin)

    def _round(self) -> None:
        for session in self._running:
            self._guard(session, lambda s=session: self._answer_at_once(s))  # type: ignore[misc]
        self._score([s for s in self._running if wants_score(s) and not s.over])
        self._step()
        for session in [s for s in self._running if s.over]:
            self._finish(session)
            self._running.remove(session)

    def _guard(self, session: Session, act: Callable[[], None]) -> None:
        """An error of one search is that search's own."""
        if session.over:
            return
        try:
            act()
        except Exception as error:
            session.error = error

    def _answer_at_once(self, session: Session) -> None:
        """Answer all that needs no forward pass; stop at an Advance or a Score."""
        while not session.over:
            match session.want:
                case Fork(source, n):
                    session.send(self._fork(session, source, n))
                case Truncate(branch, length):
                    session.own([branch])
                    self.engine.truncate(branch, length)
                    session.send(None)
                case Drop(branches):
                    self._drop(session, list(branches))
                    session.send(None)
                case Answers(branches):
                    session.send({b: self.extract(text_of(b, self.engine.target.codec)) for b in branches})
                case Advance(branches) as want if not session.goals:
                    session.own(branches)
                    session.aim(want, self._room(session, branches) if wants_room(session) else 0)
                    if not session.pending():
                        self._arrive(session)
                case Score(branches):
                    session.own(branches)
                    return
                case Advance():
                    return
                case other:
                    raise BadInput("search", f"it yielded {other!r}, which is no want")

    def _fork(self, session: Session, source: Prompt | Branch, n: int) -> list[Branch]:
        if isinstance(source, Branch):
            session.own([source])
            children = self.engine.fork(source, n)
        else:
            root = self._root(session, source)
            try:
                children = self.engine.fork(root, n)
            finally:
                self.engine.drop([root])
        for child in children:
            session.branches[child.id] = child
            session.tree[child.id] = TreeNode(child)
        return children

    def _root(self, session: Session, prompt: Prompt) -> Branch:
        """A branch at the prompt's end, read at once only if somebody wants the prompt's log-probabilities."""
        if prompt.sampling.prompt_logprobs is None:
            return self.engine.open(prompt, session.ledger)
        return self._memory.with_room(lambda: self.engine.prefill(prompt, session.ledger), (), self.engine.target)

    def _drop(self, session: Session, branches: list[Branch]) -> None:
        self._memory.note_peak(session)
        own = [b for b in branches if b.alive]
        session.own(own)
        for branch in own:
            session.note_end(branch, dropped=True)
            del session.branches[branch.id]
        self.engine.drop(own)
        self._memory.came_back()

    def _room(self, session: Session, branches: Sequence[Branch]) -> int:
        """What `Room` comes to, by the session's own pages: no matter who else holds some."""
        target, own = self.engine.target, session.branches.values()
        live = [b for b in branches if not b.done]
        begun = any(b.num_generated for b in live)
        try:
            self._memory.with_room(lambda: self.engine.settle(list(own)), own, target)
        except OutOfPages:  # its own branches alone are too many
            if begun:
                return 0
            raise
        held, pages = target.book.unique_pages(b.id for b in live), session.budget.pages
        if pages is not None:  # what it holds beside these is not theirs
            pages -= target.book.unique_pages(b.id for b in own) - held
        room = self.engine.room(live, pages)
        if room == 0 and live and not begun:
            most = held + target.book.free if pages is None else max(0, pages)
            raise OutOfPages(held + self.engine.pages_for_step(live), most, len(live))
        return room

    def _more_room(self, session: Session) -> bool:
        """Room is counted as if all branches parted at once; where they share pages after all, they go on."""
        assert isinstance(session.want, Advance)
        live = [b for b in session.want.branches if not b.done]
        room = self._room(session, session.want.branches) if live else 0
        session.goals = {b: len(b.tokens) + room for b in live}
        return room > 0 and bool(session.pending())

    def _score(self, sessions: Sequence[Session]) -> None:
        readers = dict[str, tuple[Model, list[Session]]]()
        for session in sessions:
            self._guard(session, lambda s=session: self._note_reader(s, readers))  # type: ignore[misc]
        for model, some in readers.values():
            self._read(some, model)
        for session in sessions:
            self._guard(session, lambda s=session: self._answer_score(s))  # type: ignore[misc]

    def _note_reader(self, session: Session, readers: dict[str, tuple[Model, list[Session]]]) -> None:
        if session.reward is None:
            raise BadInput("reward", "this method asks for scores; name a reward (ramify models lists them)")
        if (model := self.engine.model_of(session.reward)) is not None:
            assert isinstance(session.want, Score)
            model.require_context(session.want.branches)
            readers.setdefault(model.role, (model, []))[1].append(session)

    def _answer_score(self, session: Session) -> None:
        assert isinstance(session.want, Score) and session.reward is not None
        branches = list(session.want.branches)
        scores = dict(zip(branches, self.engine.score(branches, session.reward), strict=True))
        session.note_scores(scores)
        self._memory.note_peak(session)
        session.send(scores)

    def _read(self, sessions: Sequence[Session], model: Model) -> None:
        """Let a reward's model read; what does not fit together is read one after another."""
        branches = [b for s in sessions if isinstance(s.want, Score) for b in s.want.branches]
        try:
            self._memory.with_room(lambda: self.engine.read(branches, model), branches, model)
        except OutOfPages:
            for branch in branches:
                model.release(branch)
            for session in sessions:
                self._guard(session, lambda s=session: self._read_one_by_one(s, model))  # type: ignore[misc]

    def _read_one_by_one(self, session: Session, model: Model) -> None:
        assert isinstance(session.want, Score)
        for branch in session.want.branches:
            try:
                self.engine.read([branch], model)
            finally:
                model.release(branch)  # its values stay

    def _step(self) -> None:
        pending = {b: most for s in self._running if not s.over for b, most in s.pending().items()}
        if not pending:
            self._memory.came_back()
        lengths = {b: len(b.tokens) for b in pending}
        drawn = self._memory.step(pending)
        self._heed_markers({b: lengths[b] for b in drawn})
        if any(b.done for b in drawn):
            self._memory.came_back()
        for session in self._running:
            if not session.over and isinstance(session.want, Advance) and session.goals and not session.pending():
                self._guard(session, lambda s=session: self._arrive(s))  # type: ignore[misc]

    def _heed_markers(self, drawn: Mapping[Branch, int]) -> None:
        """Branches stop at the first token that completes their marker; what was drawn behind it in one step goes."""
        for session in self._running:
            if isinstance(session.want, Advance) and isinstance(session.want.until, Marker):
                for branch in drawn.keys() & session.goals.keys():
                    end = self._marker_end(branch, drawn[branch], session.want.until.text)
                    if end is not None:
                        branch.ledger.generated_tokens -= len(branch.tokens) - end
                        self.engine.truncate(branch, end)
                        session.goals[branch] = end

    def _marker_end(self, branch: Branch, length: int, text: str) -> int | None:
        tokens, codec = branch.tokens, self.engine.target.codec
        ends = range(length + 1, len(tokens) + 1)
        return next((e for e in ends if text in codec.continuation(tokens[: e - 1], tokens[e - 1 : e])), None)

    def _arrive(self, session: Session) -> None:
        if wants_room(session) and self._more_room(session):
            return
        grown, session.goals = session.grown(), {}
        self._memory.note_peak(session)
        session.send(grown)

    def _finish(self, session: Session) -> None:
        for branch in session.branches.values():
            session.note_end(branch, dropped=False)
        self.engine.drop(list(session.branches.values()))
        session.branches.clear()
        session.end()
        self._memory.came_back()


def run_alone(engine: Engine, search: Search[Selection], **options: Any) -> Session:
    """One search, to its end. Raises what ended it, if it was an error."""
    driver = Driver(engine, **({"extract": options.pop("extract")} if "extract" in options else {}))
    session = driver.submit(search, **options)
    driver.run()
    if session.error is not None:
        raise session.error
    return session
