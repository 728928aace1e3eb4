"""Runs hundreds of searches at once: merges what they yield into shared steps, and makes room when memory runs out.

A search sees only its own branches, its own budget and its own pages, so what it returns does not depend on who runs
beside
it (token for token in exact mode). Sharing costs nobody anything: rows are billed to the branch that needed them.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ramify.core.errors import BadInput, OutOfPages, RamifyError
from ramify.core.protocols import Extract, Reward
from ramify.core.types import Branch, Budget, Prompt, Selection
from ramify.core.wants import Advance, Answers, Drop, Fork, Marker, Score, Search, Truncate
from ramify.engine.ending import text_of
from ramify.engine.engine import Engine
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
        self._stalled: set[int] = set()  # branches that found no pages; they try again when some came back

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
            self._running, self._waiting, self.sessions = [], [], []

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
        self._score([s for s in self._running if wants_score(s)])
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
        except (RamifyError, ValueError) as error:
            session.error = error

    def _answer_at_once(self, session: Session) -> None:
        """Answer all that needs no forward pass; stop at an Advance or a Score."""
        while not session.over:
            match session.want:
                case Fork(source, n):
                    session.send(self._fork(session, source, n))
                case Truncate(branch, length):
                    self.engine.truncate(branch, length)
                    session.send(None)
                case Drop(branches):
                    self._drop(session, list(branches))
                    session.send(None)
                case Answers(branches):
                    session.send({b: self.extract(text_of(b, self.engine.target.codec)) for b in branches})
                case Advance() as want if not session.goals:
                    session.aim(want, self._room(session, want) if wants_room(session) else 0)
                    if not session.pending():
                        self._arrive(session)
                case _:
                    return

    def _fork(self, session: Session, source: Prompt | Branch, n: int) -> list[Branch]:
        if isinstance(source, Branch):
            children = self.engine.fork(source, n)
        else:
            read_now = source.sampling.prompt_logprobs is not None
            root = (self.engine.prefill if read_now else self.engine.open)(source, session.ledger)
            try:
                children = self.engine.fork(root, n)
            finally:
                self.engine.drop([root])
        for child in children:
            session.branches[child.id] = child
            session.tree[child.id] = TreeNode(child)
        return children

    def _drop(self, session: Session, branches: list[Branch]) -> None:
        self._note_peak(session)
        for branch in branches:
            session.note_end(branch, dropped=True)
            session.branches.pop(branch.id, None)
        self.engine.drop(branches)
        self._stalled.clear()

    def _room(self, session: Session, want: Advance) -> int:
        live = [b for b in want.branches if not b.done]
        self.engine.settle(live)
        room = self.engine.room(live, session.budget.pages)
        if room == 0 and live and not any(b.num_generated for b in live):
            needed = self.engine.pages_for_step(live)
            raise OutOfPages(needed, session.budget.pages or self.engine.target.book.free, len(live))
        return room

    def _score(self, sessions: Sequence[Session]) -> None:
        by_model = dict[str, list[Branch]]()
        for session in sessions:
            assert isinstance(session.want, Score)
            if session.reward is not None and session.reward.model is not None:
                by_model.setdefault(session.reward.model, []).extend(session.want.branches)
        for name, branches in by_model.items():
            self._read(branches, self.engine.others[name])
        for session in sessions:
            self._guard(session, lambda s=session: self._answer_score(s))  # type: ignore[misc]

    def _answer_score(self, session: Session) -> None:
        assert isinstance(session.want, Score)
        if session.reward is None:
            raise BadInput("reward", "this method asks for scores; name a reward (ramify models lists them)")
        branches = list(session.want.branches)
        scores = dict(zip(branches, self.engine.score(branches, session.reward), strict=True))
        session.note_scores(scores)
        self._note_peak(session)
        session.send(scores)

    def _read(self, branches: Sequence[Branch], model: Model) -> None:
        """Let a reward's model read; where they do not fit together, one after another."""
        try:
            self.engine.read(branches, model)
        except OutOfPages:
            for branch in branches:
                for other in [*branches, *self.engine.branches.values()]:
                    model.release(other)
                self.engine.read([branch], model)

    def _step(self) -> None:
        pending = [b for s in self._running if not s.over for b in s.pending()]
        if not pending:
            self._stalled.clear()
        batch = [b for b in pending if b.id not in self._stalled] or pending
        drawn = self._step_what_fits(batch) if batch else []
        self._heed_markers(drawn)
        if any(b.done for b in drawn):
            self._stalled.clear()
        for session in self._running:
            if not session.over and isinstance(session.want, Advance) and session.goals and not session.pending():
                self._guard(session, lambda s=session: self._arrive(s))  # type: ignore[misc]

    def _step_what_fits(self, batch: list[Branch]) -> list[Branch]:
        """One step of as many of these as fit, the first ones first; others give their pages up if need be."""
        while True:
            try:
                return self.engine.step(batch)
            except OutOfPages as error:
                victim = self._idle(batch)
                if victim is not None:
                    self.engine.target.release(victim)
                elif len(batch) > 1:
                    self._stalled.add(batch[-1].id)
                    self.engine.target.release(batch.pop())
                else:
                    self._fail_owner(batch[0], error)
                    return []

    def _idle(self, batch: Iterable[Branch]) -> Branch | None:
        """The youngest branch outside this step that holds pages of the target."""
        busy = {b.id for b in batch}
        holders = (b for b in reversed(self.engine.branches.values()) if b.id not in busy)
        return next((b for b in holders if self.engine.target.held(b)), None)

    def _fail_owner(self, branch: Branch, error: Exception) -> None:
        for session in self._running:
            if branch.id in session.branches:
                session.error = error

    def _heed_markers(self, drawn: Sequence[Branch]) -> None:
        fresh = {b.id: b for b in drawn}
        for session in self._running:
            if isinstance(session.want, Advance) and isinstance(session.want.until, Marker):
                for branch in session.goals:
                    text = self.engine.target.codec.decode(branch.tokens[-1:]) if branch.id in fresh else ""
                    if session.want.until.text in text:
                        session.goals[branch] = len(branch.tokens)

    def _arrive(self, session: Session) -> None:
        grown, session.goals = session.grown(), {}
        self._note_peak(session)
        session.send(grown)

    def _note_peak(self, session: Session) -> None:
        held = unshared = 0
        for model in self.engine.models:
            size, ids = model.runner.page_bytes, session.branches.keys()
            held += size * model.book.unique_pages(ids)
            unshared += size * sum(len(model.book.tables[i].pages) for i in ids if i in model.book.tables)
        ledger = session.ledger
        ledger.peak_kv_bytes = max(ledger.peak_kv_bytes, held)
        ledger.peak_unshared_kv_bytes = max(ledger.peak_unshared_kv_bytes, unshared)

    def _finish(self, session: Session) -> None:
        for branch in session.branches.values():
            session.note_end(branch, dropped=False)
        self.engine.drop(list(session.branches.values()))
        session.branches.clear()
        session.end()
        self._stalled.clear()


def run_alone(engine: Engine, search: Search[Selection], **options: Any) -> Session:
    """One search, to its end. Raises what ended it, if it was an error."""
    driver = Driver(engine, **({"extract": options.pop("extract")} if "extract" in options else {}))
    session = driver.submit(search, **options)
    driver.run()
    if session.error is not None:
        raise session.error
    return session
