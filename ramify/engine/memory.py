"""Who gives pages up when they run short. What was given up is read again when it is wanted; the ledger says so.

The pages that a search has reserved are its own: while it holds no more than these, nobody takes them. Beyond that the
youngest go first, those that are not about to draw before those that are.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from ramify.core.errors import DraftError, OutOfPages
from ramify.core.types import Branch
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.engine.session import Session

T = TypeVar("T")


class Memory:
    """The pages of an engine under the searches that run on it (`running` is the driver's own list)."""

    def __init__(self, engine: Engine, running: Sequence[Session]) -> None:
        self.engine, self.running = engine, running
        self._stalled: set[int] = set()  # branches that found no pages; they try again when some came back

    def came_back(self) -> None:
        """Pages came back: let everybody try again."""
        self._stalled.clear()

    def step(self, pending: Mapping[Branch, int], chunk: int | None = None) -> list[Branch]:
        """One step of as many of these as fit, the first ones first; those that drew.

        `pending` says by how many tokens each may grow, `chunk` how many rows of prompts are read beside those that
        draw.

        A branch that could not be read even by itself ends its search with OutOfPages, a bad draft with DraftError.
        """
        batch = [b for b in pending if b.id not in self._stalled] or list(pending)
        most = {b.id: count for b, count in pending.items()}
        while batch:
            try:
                return self.engine.step(batch, most, chunk)
            except OutOfPages as error:
                if error.branch is None:
                    self._give_way(batch, error)
                else:
                    self._end(batch, error)
            except DraftError as error:
                self._end(batch, error)
        return []

    def _end(self, batch: list[Branch], error: DraftError | OutOfPages) -> None:
        """A bad draft ends the search it was made for, or all that are drafted for; a branch that another model has no
        room for ends its own. The others go on."""
        guilty = [b for b in batch if (b.id == error.branch if error.branch is not None else b.speculate)]
        owners = [owner for b in guilty if (owner := self._owner(b)) is not None]
        if not owners:
            raise error
        for owner in owners:
            owner.error = error
        batch[:] = [b for b in batch if self._owner(b) not in owners]

    def _give_way(self, batch: list[Branch], error: OutOfPages) -> None:
        """Make some room, or make the batch smaller."""
        model, kept, drawing = self.engine.target, self._reserved(), self._all({b.id for b in batch})
        victim = self._idle(kept | drawing, model) or next((b for b in reversed(batch) if b.id not in kept), None)
        if victim is None:  # all that draw have reserved: each search gives up pages of its own
            own = self._all({i for s in self.running if drawing & s.branches.keys() for i in s.branches})
            victim = self._idle(kept - own | drawing, model) or batch[-1]
        if victim in batch:
            batch.remove(victim)
            self._stalled.add(victim.id)
            owner = self._owner(victim)
            if not batch and owner is not None and not kept - owner.branches.keys():
                owner.error = error  # nobody holds anything that could come back
        self.release(victim, model)

    def in_parts(self, act: Callable[[Sequence[Branch]], list[T]], branches: Sequence[Branch], model: Model) -> list[T]:
        """Do for branches what does for each by itself; those that there is no room for together, one half at a time.

        Raises:
            OutOfPages: see `with_room`; there is not even room for one of them.
        """
        try:
            return self.with_room(lambda: act(branches), branches, model)
        except OutOfPages:
            if len(branches) < 2:
                raise
        half = len(branches) // 2
        return self.in_parts(act, branches[:half], model) + self.in_parts(act, branches[half:], model)

    def with_room(self, act: Callable[[], T], keep: Iterable[Branch], model: Model) -> T:
        """Do what needs pages of a model; while they are short, branches that are not to `keep` theirs give them up.

        Where another model's are short instead, that one's are given up.

        Raises:
            OutOfPages: nobody else has any, and they still do not suffice.
        """
        own, given_up = {b.id for b in keep}, set[int]()
        while True:
            try:
                return act()
            except OutOfPages as error:
                short = next((m for m in self.engine.models if m.role == error.role), model)
                kept = self._reserved() if short is self.engine.target else set[int]()
                busy = self._all(own)
                victim = self._idle(kept | busy, short) or self._idle(busy, short)
                victim = victim or self._idle(own | given_up, short)  # a companion; once, as the act may want it back
                if victim is None:
                    raise
                given_up.add(victim.id)
                self.release(victim, short)

    def release(self, branch: Branch, model: Model) -> None:
        """Give up the pages of a branch; the moment before may have been its search's worst."""
        if (owner := self._owner(branch)) is not None:
            self.note_peak(owner)
        model.release(branch)

    def note_peak(self, session: Session, aside: Sequence[Branch] = ()) -> None:
        """Keep the most that a search's branches held at once, with and without sharing; those `aside` are its, too."""
        held = unshared = 0
        own = {*session.branches, *(branch.id for branch in aside)}
        for model in self.engine.models:
            size, ids = model.runner.page_bytes, self._all(own)
            held += size * model.book.unique_pages(ids)
            unshared += size * sum(len(model.book.tables[i].pages) for i in ids if i in model.book.tables)
        ledger = session.ledger
        ledger.peak_kv_bytes = max(ledger.peak_kv_bytes, held)
        ledger.peak_unshared_kv_bytes = max(ledger.peak_unshared_kv_bytes, unshared)

    def _idle(self, busy: Collection[int], model: Model) -> Branch | None:
        """The youngest branch that holds pages of a model and is not busy."""
        others = (b for b in reversed(self.engine.branches.values()) if b.id not in busy)
        return next((b for b in others if model.holds(b)), None)

    def _reserved(self) -> set[int]:
        """Branches of the searches that hold no more than they reserved."""
        book = self.engine.target.book
        within = [s for s in self.running if s.reserve and book.unique_pages(s.branches) <= s.reserve]
        return self._all({branch for session in within for branch in session.branches})

    def _all(self, branches: Collection[int]) -> set[int]:
        """These branches and their companions."""
        return {*branches, *self.engine.companions.ids(branches)}

    def _owner(self, branch: Branch) -> Session | None:
        return next((s for s in self.running if branch.id in s.branches), None)
