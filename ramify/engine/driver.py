"""Runs hundreds of searches at once: merges what they yield into shared steps, and makes room when memory runs out.

A search sees only its own branches, its own budget and its own pages, so what it returns does not depend on who runs
beside it (token for token in exact mode). Sharing costs nobody anything: rows are billed to a branch that needed them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ramify.core.errors import BadInput, Cancelled, OutOfPages
from ramify.core.events import Watch
from ramify.core.protocols import AnyReward, Extract
from ramify.core.strict import whole
from ramify.core.types import Branch, Budget, Selection
from ramify.core.wants import Advance, Marker, Score, Search, Together
from ramify.core.weak import weakly
from ramify.engine.engine import Engine
from ramify.engine.memory import Memory
from ramify.engine.replies import Replies
from ramify.engine.scoring import Scoring
from ramify.engine.session import Session, wants_room, wants_score
from ramify.engine.watching import Watching

MOST_BRANCHES = 512
Progress = Callable[[int, int], None]  # (searches over, searches submitted)


class Driver:
    """Searches over one engine. `submit` them, then `run`; or `step`, and submit and `cancel` between steps.

    Args:
        extract: reads a final answer off a text, for searches that want answers.
        most_branches: a search waits while so many branches are alive, unless nobody else runs.
        chunk: most rows of prompts, and of texts to be scored, that a model reads in a round in which a search that is
            watched draws: the smaller, the more evenly its tokens come. None: a quarter of the engine's row_budget.
    """

    def __init__(
        self,
        engine: Engine,
        extract: Extract = lambda text: None,
        *,
        most_branches: int = MOST_BRANCHES,
        chunk: int | None = None,
    ) -> None:
        self.engine, self.most_branches = engine, most_branches
        self.chunk = max(1, engine.row_budget // 4) if chunk is None else whole("chunk", chunk, 1, 1 << 20)
        self._ended = 0  # searches of this run that are over
        self._watching = dict[Session, Watching]()
        self._running: list[Session] = []
        self._waiting: list[Session] = []
        self._held = dict[int, str]()  # token -> its text
        self._memory = Memory(engine, self._running)
        self._replies = Replies(engine, self._memory, extract)
        self._scoring = Scoring(engine, self._memory, weakly(self._guard))

    def submit(
        self,
        search: Search[Selection],
        *,
        reward: AnyReward | None = None,
        budget: Budget | None = None,
        reserve: int = 0,
        width: int = 1,
        watch: Watch | None = None,
    ) -> Session:
        """Queue a search. It is forgotten when it is over.

        Args:
            reserve: pages that are its own while it runs (for searches that fill their room).
            width: branches it is expected to hold.
            watch: is told after each round what happened in the search's tree. An error that it raises ends the search.
        """
        if reserve > self.engine.target.runner.num_pages:
            have = self.engine.target.runner.num_pages
            raise BadInput(
                "budget.pages", f"{reserve} pages asked for, the pool has {have}; lower it or raise --kv-gib"
            )
        session = Session(search, reward, budget or Budget(), reserve, width)
        self._waiting.append(session)
        if watch is not None:
            self._watching[session] = Watching(session, self.engine.target.codec, watch)
        return session

    def run(self, progress: Progress | None = None) -> None:
        """Until every submitted search is over. An error ends its own search (`session.error`) and no other.

        On anything that interrupts it (Ctrl-C) all branches are dropped first.
        """
        try:
            while self._waiting or self._running:
                self.step()
                if progress is not None:
                    progress(self._ended, self._ended + self.waiting + self.running)
        finally:
            self.close()

    def step(self) -> bool:
        """Admit who may begin, and take one round; whether there is anything left to do.

        An error that is not one search's (a model that fails) is raised, and all searches are dropped.
        """
        try:
            self._admit()
            self._round()
        except BaseException:
            self.close()
            raise
        return bool(self._waiting or self._running)

    def cancel(self, session: Session) -> None:
        """End a search now, waiting or running, between two rounds: its error is `Cancelled`, its pages are free. One
        that is over stays as it is. A search that another one runs fails that one."""
        if session.over or session.closed:
            return
        session.error = Cancelled()
        self._finish(session)
        for queue in (self._waiting, self._running):
            if session in queue:
                queue.remove(session)
                self._forget(session)

    def close(self) -> None:
        """Drop all that wait or run; what is over stays as it is."""
        for session in [*self._running, *self._waiting]:
            self._finish(session)
        self._running.clear()
        self._waiting.clear()
        self._watching.clear()
        self._ended = 0

    @property
    def waiting(self) -> int:
        """Searches that were not let in yet."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Searches that are under way."""
        return len(self._running)

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
        for session in self._active():
            self._guard(session, lambda s=session: self._answer_at_once(s))  # type: ignore[misc]
        scored = [s for s in self._active() if wants_score(s) and (s.paying is not None or s.in_turn)]
        chunk = self.chunk if any(s.draws for s in self._watching) else None
        self._scoring.score(scored, chunk or self.engine.row_budget)
        self._step(chunk)
        for session in [
            s for root in self._running for s in root.family() if s.over and s.parent is not None and not s.closed
        ]:
            self._finish(session)
        over = [s for s in self._running if s.over]
        for session in over:
            self._finish(session)
        for session in list(self._watching):
            self._look(session)
        for session in over:
            self._running.remove(session)
            self._forget(session)

    def _look(self, session: Session) -> None:
        """Whoever fails to watch a search ends it."""
        try:
            self._watching[session].look()
        except Exception as error:
            session.error = session.error or error
            del self._watching[session]

    def _forget(self, session: Session) -> None:
        self._ended += 1
        if session in self._watching:
            self._look(session)
            self._watching.pop(session, None)

    def _active(self) -> list[Session]:
        """Every search that is not over, inner ones behind those that run them."""
        return [s for root in self._running if not root.over for s in root.family() if not s.over]

    def _guard(self, session: Session, act: Callable[[], None]) -> None:
        """An error of one search is that search's own."""
        if session.over:
            return
        try:
            act()
        except Exception as error:
            session.error = error

    def _answer_at_once(self, session: Session) -> None:
        """Answer all that needs no step of the driver; stop at an Advance or a Score."""
        while not session.over:
            match session.want:
                case Advance(branches) as want if not session.goals:
                    session.own(branches)
                    self.engine.guidance.hand_over(want.by, branches)
                    session.aim(want, self._room(session, branches) if wants_room(session) else 0)
                    if not session.left():
                        self._arrive(session)
                case Advance():
                    return
                case Score(branches):
                    session.own(branches)
                    return
                case Together(searches) if not session.children and searches:
                    session.spawn(searches)
                    for child in session.children:
                        self._guard(child, child.begin)
                        self._guard(child, lambda c=child: self._answer_at_once(c))  # type: ignore[misc]
                    return
                case Together():
                    if not all(child.over for child in session.children):
                        return
                    session.send(_results(session))
                case want:
                    session.send(self._replies.reply(session, want))

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
        return room > 0 and bool(session.left())

    def _step(self, chunk: int | None) -> None:
        pending = {b: most for root in self._running if not root.over for b, most in root.pending().items()}
        if not pending:
            self._memory.came_back()
        lengths = {b: len(b.tokens) for b in pending}
        drawn = self._memory.step(pending, chunk)
        self._heed_markers({b: lengths[b] for b in drawn})
        if any(b.done for b in drawn):
            self._memory.came_back()
        for session in self._active():
            if isinstance(session.want, Advance) and session.goals and not session.left():
                self._guard(session, lambda s=session: self._arrive(s))  # type: ignore[misc]

    def _heed_markers(self, drawn: Mapping[Branch, int]) -> None:
        """Branches stop at the first token that completes their marker; what was drawn behind it in one step goes."""
        for session in self._active():
            if isinstance(session.want, Advance) and isinstance(session.want.until, Marker):
                for branch in drawn.keys() & session.goals.keys():
                    end = self._marker_end(branch, drawn[branch], session.want.until.texts)
                    if end is not None:
                        branch.ledger.generated_tokens -= len(branch.tokens) - end
                        self.engine.truncate(branch, end)
                        session.goals[branch] = end

    def _marker_end(self, branch: Branch, length: int, texts: Sequence[str]) -> int | None:
        tokens, codec = branch.tokens, self.engine.target.codec
        for end in range(length + 1, len(tokens) + 1):
            if not self._may_hold(tokens[end - 1], texts):
                continue
            drawn = codec.continuation(tokens[: end - 1], tokens[end - 1 : end])
            if any(text in drawn for text in texts):
                return end
        return None

    def _may_hold(self, token: int, texts: Sequence[str]) -> bool:
        """Whether a token can complete one of the texts, by itself: plain ASCII never hides in pieces of characters."""
        if (known := self._held.get(token)) is None:
            known = self._held[token] = self.engine.target.codec.decode([token])
        return any(text in known or not text.isascii() or " " in text for text in texts)

    def _arrive(self, session: Session) -> None:
        if wants_room(session) and self._more_room(session):
            return
        grown, session.goals = session.grown(), {}
        session.clock += grown
        self._memory.note_peak(session.root)
        session.send(grown)

    def _finish(self, session: Session) -> None:
        if session.parent is not None:
            self._memory.note_peak(session.root)
        session.gather()
        for branch in list(session.branches.values()):
            session.note_end(branch, dropped=False)
            self.engine.drop([branch])
            session.disown(branch)
        for each in session.family():
            each.end()
        self._memory.came_back()


def _results(session: Session) -> list[Selection]:
    """What the searches that it ran returned. Raises what ended one of them, if it was an error."""
    for child in session.children:
        if child.error is not None:
            raise child.error
    session.clock = max((child.clock for child in session.children), default=session.clock)
    session.gather()
    results = [child.result for child in session.children if child.result is not None]
    session.children = []
    return results


def run_alone(engine: Engine, search: Search[Selection], **options: Any) -> Session:
    """One search, to its end. Raises what ended it, if it was an error."""
    driver = Driver(engine, **({"extract": options.pop("extract")} if "extract" in options else {}))
    session = driver.submit(search, **options)
    driver.run()
    if session.error is not None:
        raise session.error
    return session
