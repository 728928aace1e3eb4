"""An LM that serves: searches come and go, and all that are there share the engine's steps.

with Service(lambda: load(known={})) as service:
    ticket = service.submit("Compute 7 * 8.", "best-of-n", n=8, reward="builtin-prm")
    print(ticket.future.result().text)

One thread owns the engine. Everybody else hands it something to do, and hears of it on that thread (`watch`) or by a
future.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, TypeVar

from ramify.api.lm import LM, Text, seed_of
from ramify.api.outcome import result_of
from ramify.api.reader import Reader
from ramify.core.errors import BooksUnbalanced, Cancelled, Closing, Overloaded
from ramify.core.events import Event, Watch
from ramify.core.ledger import Ledger
from ramify.core.protocols import Method
from ramify.core.results import Result
from ramify.engine.driver import Driver
from ramify.engine.session import Session
from ramify.tasks import extract_answer

T = TypeVar("T")
CLOSED = "the server is shutting down: it takes nothing new, and ends what takes too long"


class Serving(Protocol):
    """What a server asks of a service, wherever that runs: `Service`, or `ServiceProcess`."""

    reader: Reader

    def submit(
        self,
        prompt: Text,
        method: str | Method = "sample",
        *,
        seed: int | None = None,
        watch: Watch | None = None,
        **options: Any,
    ) -> "Ticket":
        """Begin a search."""

    def cancel(self, ticket: "Ticket") -> None:
        """End it."""

    def call(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Have `function(lm, *args)` done between two steps."""

    def on_round(self, told: Callable[[], None]) -> None:
        """Have `told` called after each round."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    @property
    def lost(self) -> bool:
        """Whether it has ended though nobody closed it."""

    @property
    def pid(self) -> int | None:
        """The number of the engine's process; None if that is this one."""

    def status(self) -> "Status":
        """How it stands."""

    def close(self, grace: float = 0.0) -> None:
        """Take nothing new, and end."""

    def audit(self) -> int:
        """Once it is closed: the pages that only prefixes were kept in."""


@dataclass(eq=False)
class Ticket:
    """A search under way. `future` has its result, `ledger` what it took (where it was begun at all)."""

    service: Serving
    method: str | Method
    seed: int
    future: "Future[Result]" = field(default_factory=Future)
    ledger: Ledger | None = None
    session: Session | None = None  # where the engine runs, once it is queued there
    number: int = -1  # where it runs in another process

    def cancel(self) -> None:
        """End it now; its future then raises `Cancelled`."""
        self.service.cancel(self)


@dataclass(frozen=True)
class Status:
    """How a service stands. `pages` maps a model's role to (used, of these held by several, all there are)."""

    running: int
    waiting: int
    pages: dict[str, tuple[int, int, int]]


class Service:
    """An LM behind a thread of its own.

    Args:
        lm: the model, or what loads it. It is better loaded here: OpenMP keeps its helpers with the thread that first
            needed them, and the helpers of two threads are in each other's way (steps of few rows took three times as
            long).
        max_waiting: searches that may wait to begin; beyond that `submit` refuses.

    Raises:
        What loading raises.
    """

    def __init__(self, lm: LM | Callable[[], LM], *, max_waiting: int = 256) -> None:
        self.max_waiting = max_waiting
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._tickets: dict[Session, Ticket] = {}
        self._rounds = list[Callable[[], None]]()
        self._pending = 0  # handed in, and not queued at the engine yet
        self._lock, self._closing, self._stop = threading.Lock(), False, False
        loaded: Future[LM] = Future()
        self._thread = threading.Thread(target=self._live, args=(lm, loaded), name="ramify-engine", daemon=True)
        self._thread.start()
        try:
            self.lm = loaded.result()
        except Exception:
            self._thread.join()
            raise
        self.reader = self.lm.reader

    def submit(
        self,
        prompt: Text,
        method: str | Method = "sample",
        *,
        seed: int | None = None,
        watch: Watch | None = None,
        **options: Any,
    ) -> Ticket:
        """Begin a search as `LM.search` would; `watch` hears its events on the engine's thread, and must not block.

        What is wrong with the request is raised by the ticket's future.

        Raises:
            Overloaded: too many are waiting. Closing: the service takes nothing new.
        """
        with self._lock:
            if self._closing:
                raise Closing(CLOSED)
            if (waiting := self._pending + self._driver.waiting) >= self.max_waiting:
                raise overloaded(waiting, self.max_waiting)
            self._pending += 1
        ticket = Ticket(self, method, seed_of(seed))
        self._inbox.put(lambda: self._begin(ticket, prompt, watch, options))
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """End a search; one that is over stays as it is."""
        self._inbox.put(lambda: self._cancel(ticket))

    def call(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Do something short on the engine's thread, between two steps: `function(lm, *args)`."""
        future: Future[T] = Future()

        def act() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(self.lm, *args))
                except Exception as error:
                    future.set_exception(error)

        if self._stop:
            future.set_exception(Closing(CLOSED))
        else:
            self._inbox.put(act)
        return future

    def on_round(self, told: Callable[[], None]) -> None:
        """Have `told` called on the engine's thread after each round, when its results are known; it must not block."""
        self._rounds.append(told)

    @property
    def alive(self) -> bool:
        """Whether the engine's thread runs."""
        return self._thread.is_alive() and not self._stop

    @property
    def lost(self) -> bool:
        """Whether the engine's thread has ended though nobody closed it."""
        return not self._thread.is_alive() and not self._closing

    @property
    def pid(self) -> None:
        """None: the engine runs in this process."""

    def status(self) -> Status:
        """As of now, roughly: it is read beside the engine's thread."""
        pages = {}
        for model in [self.lm.engine.target, *list(self.lm.engine.models)]:
            pool = model.book.pool
            refs = list(pool.refs)
            pages[model.role] = (pool.num_pages - model.book.free, sum(count > 1 for count in refs), pool.num_pages)
        return Status(*self.standing(), pages)

    def standing(self) -> tuple[int, int]:
        """How many searches are under way, and how many wait to begin."""
        return self._driver.running, self._pending + self._driver.waiting

    def close(self, grace: float = 0.0) -> None:
        """Take nothing new, give what runs `grace` seconds to end, then cancel it."""
        with self._lock:
            self._closing = True
        deadline = monotonic() + grace
        while monotonic() < deadline and self._busy() and self._thread.is_alive():
            threading.Event().wait(0.02)
        if not self._stop:
            self._inbox.put(self._end)
            self._thread.join(timeout=60)

    def wait(self) -> None:
        """Until the engine's thread has ended."""
        self._thread.join()

    def audit(self) -> int:
        """Once it is closed: the pages that only prefixes were kept in; they are forgotten.

        Raises:
            BooksUnbalanced: pages were lost or counted twice, or are held for nobody.
        """
        self.lm.check()
        pools = [model.book.pool for model in self.lm.engine.models]
        kept = sum(pool.num_pages - pool.num_free for pool in pools)
        self.lm.forget_prefixes()
        if left := sum(pool.num_pages - pool.num_free for pool in pools):
            raise BooksUnbalanced(f"{left} pages are held for nobody")
        return kept

    def __enter__(self) -> "Service":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _busy(self) -> bool:
        return bool(self._pending or self._tickets)

    def _live(self, lm: LM | Callable[[], LM], loaded: "Future[LM]") -> None:
        try:
            self.lm = lm if isinstance(lm, LM) else lm()
            self._driver = Driver(self.lm.engine, extract_answer)
        except BaseException as error:
            loaded.set_exception(error)
        else:
            loaded.set_result(self.lm)
            self._serve()

    def _serve(self) -> None:
        while not self._stop:
            self._drain(block=not self._tickets)
            try:
                if self._tickets:
                    self._driver.step()
            except Exception as error:  # of the engine itself: whoever was in this step is told, the next are served
                for session in list(self._tickets):
                    with suppress(Exception):
                        self._driver.cancel(session)
                    self._settle(session, error)
            self._tell()  # what runs first: to answer whoever is through takes longer
            for session in [s for s in self._tickets if s.closed]:
                self._settle(session, session.error)
            self._tell()

    def _tell(self) -> None:
        for told in self._rounds:
            told()

    def _drain(self, *, block: bool) -> None:
        """Do what was handed in; wait for something if there is nothing else to do."""
        with suppress(Empty):
            while True:
                self._inbox.get(block)()
                block = False

    def _begin(self, ticket: Ticket, prompt: Text, watch: Watch | None, options: dict[str, Any]) -> None:
        try:
            if ticket.future.set_running_or_notify_cancel():
                self._queue(ticket, prompt, watch, options)
        finally:  # not before it is queued: who closes the service waits for what is pending, or under way
            with self._lock:
                self._pending -= 1

    def _queue(self, ticket: Ticket, prompt: Text, watch: Watch | None, options: dict[str, Any]) -> None:
        try:
            queued = self.lm.submit(self._driver, [prompt], ticket.method, seed=ticket.seed, watch=watch, **options)
        except Exception as error:
            ticket.future.set_exception(error)
        else:
            ticket.session, ticket.ledger = queued[0], queued[0].ledger
            self._tickets[queued[0]] = ticket

    def _cancel(self, ticket: Ticket) -> None:
        if ticket.session in self._tickets:
            self._driver.cancel(ticket.session)
            self._settle(ticket.session, Cancelled())
        elif ticket.session is None:
            ticket.future.cancel()

    def _settle(self, session: Session, error: Exception | None) -> None:
        """Tell who waits for it what became of a session that is over."""
        ticket = self._tickets.pop(session)
        try:
            if error is not None:
                raise error
            name = ticket.method if isinstance(ticket.method, str) else ticket.method.name
            ticket.future.set_result(result_of(session, name, ticket.seed, self.lm.tokenizer))
        except Exception as failure:
            ticket.future.set_exception(failure)

    def _end(self) -> None:
        for session in list(self._tickets):
            self._driver.cancel(session)
            self._settle(session, Closing(CLOSED))
        self._stop = True
        with suppress(Empty):
            while True:
                self._inbox.get_nowait()()


def overloaded(waiting: int, most: int) -> Overloaded:
    """More wait than may."""
    return Overloaded(f"{waiting} searches wait already, {most} may; try again later")


__all__ = ["Event", "Service", "Serving", "Status", "Ticket"]
