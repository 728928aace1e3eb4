"""A service in a process of its own: who asks shares no interpreter with the engine, and takes nothing from its steps.

if __name__ == "__main__":  # the process imports this file anew
    with ServiceProcess(partial(load, known={})) as service:
        ticket = service.submit("Compute 7 * 8.", "best-of-n", n=8, reward="builtin-prm")

It is asked as `Service` is. Requests go through a pipe one by one, what happens comes back a round at a time. What is
handed in (options, functions of `call`) and what they return is pickled, so functions are those of a module.
"""

import atexit
import multiprocessing
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Any, TypeVar

from ramify.api.host import Standing, live
from ramify.api.live import CLOSED, Status, Ticket, overloaded
from ramify.api.lm import LM, Text, seed_of
from ramify.api.reader import Reader
from ramify.core.errors import Closing
from ramify.core.events import Event, Watch
from ramify.core.protocols import Method

T = TypeVar("T")
ENDING = 15.0  # seconds that the process has to end beyond what it was given
DIED = "the engine's process has ended; start the server again"


class ServiceProcess:
    """`Service`, in a process of its own.

    Args:
        load: loads the model there.
        max_waiting: searches that may wait to begin; beyond that `submit` refuses.
        prepare: called there first (logging).

    Raises:
        What loading raises. ChildProcessError: the process ended before the model was loaded.
    """

    def __init__(
        self, load: Callable[[], LM], *, max_waiting: int = 256, prepare: Callable[[], None] | None = None
    ) -> None:
        self.max_waiting = max_waiting
        self._numbers, self._sent = count(), 0
        self._watches, self._tickets = dict[int, Watch](), dict[int, Ticket]()
        self._unheard = dict[int, Exception]()  # what a search's watch raised
        self._calls, self._rounds = dict[int, "Future[Any]"](), list[Callable[[], None]]()
        self._lock, self._closing, self._kept = threading.Lock(), False, 0
        self._closed: Future[int] = Future()
        spawning = multiprocessing.get_context("spawn")  # a fork would copy threads' locks, not the threads
        self._pipe, theirs = spawning.Pipe()
        work = (theirs, load, max_waiting, prepare)
        self._process = spawning.Process(target=live, args=work, name="ramify-engine", daemon=True)
        self._process.start()
        theirs.close()
        atexit.register(self._process.kill)  # who forgets to close it does not wait for it
        try:
            self.reader, self._standing = self._loaded()
        except BaseException:
            self._process.kill()
            self._process.join(ENDING)
            self._pipe.close()
            raise
        self._thread = threading.Thread(target=self._listen, name="ramify-engine-events", daemon=True)
        self._thread.start()

    def submit(
        self,
        prompt: Text,
        method: str | Method = "sample",
        *,
        seed: int | None = None,
        watch: Watch | None = None,
        **options: Any,
    ) -> Ticket:
        """As `Service.submit`; `watch` hears of a round's events when the round is over, on a thread of this process.

        Raises:
            Overloaded: too many are waiting. Closing: the service takes nothing new.
        """
        ticket = Ticket(self, method, seed_of(seed))
        ticket.future.set_running_or_notify_cancel()
        with self._lock:
            if self._closing or not self.alive:
                raise Closing(CLOSED if self._closing else DIED)
            if (waiting := self.status().waiting) >= self.max_waiting:
                raise overloaded(waiting, self.max_waiting)
            ticket.number = next(self._numbers)
            self._tickets[ticket.number] = ticket
            if watch is not None:
                self._watches[ticket.number] = watch
            try:
                self._write("submit", ticket.number, prompt, method, ticket.seed, watch is not None, options)
            except BaseException:
                self._forget(ticket.number)
                raise
            self._sent += 1
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """End a search; one that is over stays as it is."""
        if ticket.number in self._tickets:
            self._say("cancel", ticket.number)

    def call(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Do something short on the engine's thread, between two steps: `function(lm, *args)`."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._closing or not self.alive:
                future.set_exception(Closing(CLOSED if self._closing else DIED))
                return future
            number = next(self._numbers)
            self._calls[number] = future
            try:
                self._write("call", number, function, args)
            except BaseException:
                self._calls.pop(number, None)
                raise
        return future

    def on_round(self, told: Callable[[], None]) -> None:
        """Have `told` called after each round's events, on the thread that `watch` is called on."""
        self._rounds.append(told)

    @property
    def alive(self) -> bool:
        """Whether the engine runs."""
        return not self._closed.done() and self._thread.is_alive()

    @property
    def lost(self) -> bool:
        """Whether the process has ended though nobody closed it."""
        return not self.alive and not self._closing

    @property
    def pid(self) -> int | None:
        """The number of the engine's process."""
        return self._process.pid

    def status(self) -> Status:
        """As of the last round; pages as of a quarter of a second ago, or of when the last search was over."""
        standing = self._standing
        under_way = max(0, self._sent - standing.received)
        return Status(standing.status.running, standing.status.waiting + under_way, standing.status.pages)

    def close(self, grace: float = 0.0) -> None:
        """Take nothing new, give what runs `grace` seconds to end, then cancel it; and end the process."""
        with self._lock:
            asked, self._closing = self._closing, True
        if not asked:
            self._say("close", -1, grace)
        self._process.join(grace + ENDING)
        if self._process.is_alive():
            self._process.kill()
        self._thread.join(ENDING)
        atexit.unregister(self._process.kill)

    def audit(self) -> int:
        """Once it is closed: the pages that only prefixes were kept in.

        Raises:
            BooksUnbalanced: pages were lost, or are held for nobody. Closing: the process ended before it could look.
        """
        return self._closed.result(0)

    def __enter__(self) -> "ServiceProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _loaded(self) -> tuple[Reader, Standing]:
        try:
            first = self._pipe.recv()
        except EOFError:
            self._process.join(ENDING)
            code = self._process.exitcode
            raise ChildProcessError(f"the engine's process ended while it loaded (exit code {code})") from None
        if isinstance(first, BaseException):
            raise first
        folder, context, status = first
        return Reader.load(folder, context), Standing(0, status)

    def _write(self, verb: str, number: int, *what: Any) -> None:
        """Send a request. What it holds is read there by itself, so that what cannot be read fails alone.

        Raises:
            Closing: nobody is there. What pickling raises.
        """
        inside = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
        try:
            self._pipe.send((verb, number, inside))
        except OSError:
            raise Closing(DIED) from None

    def _say(self, verb: str, number: int, *what: Any) -> None:
        with suppress(Closing), self._lock:  # it is gone, and with it whatever was to be ended
            self._write(verb, number, *what)

    def _listen(self) -> None:
        """What the engine's process says, until it ends."""
        try:
            while not self._closed.done():
                try:
                    said = self._pipe.recv_bytes()
                except (EOFError, OSError):
                    break
                for kind, *what in pickle.loads(said):
                    getattr(self, f"_{kind}")(*what)
                self._tell()
        finally:
            self._lose()

    def _lose(self) -> None:
        """Nobody is there any more: nobody waits."""
        with self._lock:
            self._pipe.close()  # the other end waits for that
            left = [self._closed, *self._calls.values(), *(ticket.future for ticket in self._tickets.values())]
        lost = Closing(CLOSED if self._closing else DIED)
        for future in left:
            if not future.done():
                future.set_exception(lost)
        self._tell()

    def _tell(self) -> None:
        for told in self._rounds:
            told()

    def _heard(self, number: int, event: Event) -> None:
        """Whoever fails to watch a search ends it."""
        if (watch := self._watches.get(number)) is not None:
            try:
                watch(event)
            except Exception as error:
                self._unheard[number] = error
                self._watches.pop(number, None)
                self._say("cancel", number)

    def _over(self, number: int, ledger: Any, result: Any, error: BaseException | None) -> None:
        error = self._unheard.pop(number, error)
        if (ticket := self._tickets.get(number)) is not None:
            self._forget(number)
            ticket.ledger = ledger
            _settle(ticket.future, result, error)

    def _called(self, number: int, result: Any, error: BaseException | None) -> None:
        if (future := self._calls.pop(number, None)) is not None:
            _settle(future, result, error)

    def _stands(self, standing: Standing) -> None:
        self._standing = standing

    def _ended(self, kept: int, error: BaseException | None) -> None:
        _settle(self._closed, kept, error)

    def _forget(self, number: int) -> None:
        self._tickets.pop(number, None)
        self._watches.pop(number, None)


def _settle(future: "Future[Any]", result: Any, error: BaseException | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
