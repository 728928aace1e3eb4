"""A service in a process of its own: who asks shares no interpreter with the engine, and takes nothing from its steps.

with ServiceProcess(partial(load, known={})) as service:
    ticket = service.submit("Compute 7 * 8.", "best-of-n", n=8, reward="builtin-prm")

It is asked as `Service` is. Requests go through a pipe one by one, what happens comes back a round at a time. What is
handed in (options, functions of `call`) and what they return is pickled, so functions are those of a module.
"""

import ctypes
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar

from ramify.api.live import CLOSED, Service, Status, Ticket, overloaded
from ramify.api.lm import LM, Text, seed_of
from ramify.api.reader import Reader
from ramify.core.errors import Closing
from ramify.core.events import Event, Watch
from ramify.core.protocols import Method

T = TypeVar("T")
LOOKED = 0.25  # seconds between two counts of the pages while the engine is busy
ENDING = 60.0  # seconds that the process has to end beyond what it was given
TRIMMED = 20.0  # seconds after which free memory is given back again: what one rush took, the next finds elsewhere
NICE = 5  # the engine takes what it can get; who answers needs little, but at once
DIED = "the engine's process has ended; start the server again"


@dataclass(frozen=True)
class Standing:
    """How many requests the engine's process has received, and how it stands."""

    received: int
    status: Status


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
        self._calls, self._rounds = dict[int, "Future[Any]"](), list[Callable[[], None]]()
        self._lock, self._closing, self._kept = threading.Lock(), False, 0
        self._closed: Future[int] = Future()
        spawning = multiprocessing.get_context("spawn")  # a fork would copy threads' locks, not the threads
        self._pipe, theirs = spawning.Pipe()
        work = (theirs, load, max_waiting, prepare)
        self._process = spawning.Process(target=_live, args=work, name="ramify-engine", daemon=True)
        self._process.start()
        theirs.close()
        self.reader, self._standing = self._loaded()
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
                self._pipe.send(("submit", ticket.number, prompt, method, ticket.seed, watch is not None, options))
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
                self._pipe.send(("call", number, function, args))
            except BaseException:
                del self._calls[number]
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
            self._say("close", grace)
        self._process.join(grace + ENDING)
        if self._process.is_alive():
            self._process.kill()
        self._thread.join(ENDING)

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
            self._process.join(ENDING)
            raise first
        folder, context, status = first
        return Reader.load(folder, context), Standing(0, status)

    def _say(self, *message: Any) -> None:
        with suppress(OSError), self._lock:  # it is gone, and with it whatever was to be ended
            self._pipe.send(message)

    def _listen(self) -> None:
        """What the engine's process says, until it ends."""
        with suppress(EOFError, OSError):
            while not self._closed.done():
                for kind, *what in pickle.loads(self._pipe.recv_bytes()):
                    getattr(self, f"_{kind}")(*what)
                self._tell()
        with self._lock:
            self._pipe.close()  # the other end waits for that
        lost = Closing(CLOSED if self._closing else DIED)
        for future in [self._closed, *self._calls.values(), *(ticket.future for ticket in self._tickets.values())]:
            if not future.done():
                future.set_exception(lost)
        self._tell()

    def _tell(self) -> None:
        for told in self._rounds:
            told()

    def _heard(self, number: int, event: Event) -> None:
        if (watch := self._watches.get(number)) is not None:
            watch(event)

    def _over(self, number: int, ledger: Any, result: Any, error: BaseException | None) -> None:
        ticket = self._tickets[number]
        self._forget(number)
        ticket.ledger = ledger
        _settle(ticket.future, result, error)

    def _called(self, number: int, result: Any, error: BaseException | None) -> None:
        _settle(self._calls.pop(number), result, error)

    def _stands(self, standing: Standing) -> None:
        self._standing = standing

    def _ended(self, kept: int, error: BaseException | None) -> None:
        _settle(self._closed, kept, error)

    def _forget(self, number: int) -> None:
        self._tickets.pop(number, None)
        self._watches.pop(number, None)


class _Host:
    """The other end of the pipe."""

    def __init__(self, pipe: "Connection[Any, Any]", service: Service) -> None:
        self._pipe, self._service = pipe, service
        self._tickets = dict[int, Ticket]()
        self._said = deque[tuple[Any, ...]]()
        self._sending, self._received, self._looked, self._pages = threading.Lock(), 0, 0.0, service.status().pages
        self._last: Standing | None = None
        self._trim, self._trimmed = _trimming(), monotonic()
        service.on_round(self._round)

    def serve(self) -> None:
        """Do what is asked, until nobody is there to ask."""
        with suppress(EOFError, OSError):
            while True:
                verb, *what = self._pipe.recv()
                getattr(self, f"_{verb}")(*what)
        self._service.close()

    def _submit(self, number: int, prompt: Text, method: Any, seed: int, watched: bool, options: Any) -> None:
        watch = partial(self._heard, number) if watched else None
        try:
            ticket = self._service.submit(prompt, method, seed=seed, watch=watch, **options)
        except Exception as error:
            self._say("over", number, None, None, error)
        else:
            self._tickets[number] = ticket
            ticket.future.add_done_callback(partial(self._over, number, ticket))
        self._received += 1
        self._send()

    def _cancel(self, number: int) -> None:
        if (ticket := self._tickets.get(number)) is not None:
            ticket.cancel()

    def _call(self, number: int, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._service.call(function, *args).add_done_callback(partial(self._called, number))

    def _close(self, grace: float) -> None:
        threading.Thread(target=self._end, args=(grace,), name="ramify-engine-end").start()  # clients may leave yet

    def _end(self, grace: float) -> None:
        kept, error = 0, None
        try:
            self._service.close(grace)
            kept = self._service.audit()
        except Exception as failure:
            error = failure
        self._say("ended", kept, error)
        self._send()

    def _heard(self, number: int, event: Event) -> None:
        self._say("heard", number, event)

    def _over(self, number: int, ticket: Ticket, future: "Future[Any]") -> None:
        self._tickets.pop(number, None)
        self._say("over", number, ticket.ledger, *_outcome(future))

    def _called(self, number: int, future: "Future[Any]") -> None:
        self._say("called", number, *_outcome(future))

    def _say(self, *message: Any) -> None:
        self._said.append(message)

    def _round(self) -> None:
        """On the engine's thread, after each round."""
        now, busy = monotonic(), bool(self._tickets)
        if not busy or now - self._looked > LOOKED:
            self._looked, self._pages = now, self._service.status().pages
        self._send()
        if now - self._trimmed > TRIMMED:
            self._trimmed = now
            self._trim(0)

    def _send(self) -> None:
        with self._sending, suppress(OSError):  # nobody is there any more: `serve` ends
            running, waiting = self._service.standing()
            standing = Standing(self._received, Status(running, waiting, self._pages))
            if standing != self._last:
                self._last = standing
                self._say("stands", standing)
            messages = [self._said.popleft() for _ in range(len(self._said))]
            if messages:
                self._pipe.send_bytes(_pickled(messages))


def _live(
    pipe: "Connection[Any, Any]", load: Callable[[], LM], max_waiting: int, prepare: Callable[[], None] | None
) -> None:
    """The process. It ends when it is told to, or when nobody is left to tell it."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they come to all processes of a terminal or a unit: not its end
        signal.signal(number, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICE)
    if prepare is not None:
        prepare()
    try:
        service = Service(load, max_waiting=max_waiting)
    except BaseException as error:
        pipe.send_bytes(_pickled(error))
        return
    pipe.send((service.lm.folder, service.reader.context, service.status()))
    _Host(pipe, service).serve()


def _trimming() -> Callable[[int], Any]:
    """glibc's `malloc_trim`, a few milliseconds; nothing where there is none."""
    try:
        trim: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return lambda pad: 0
    return trim


def _pickled(what: Any) -> bytes:
    """Bytes of it; of errors that cannot be pickled, what they say."""
    try:
        return pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    except Exception:
        if not isinstance(what, list):
            return pickle.dumps(RuntimeError(repr(what)))
        return pickle.dumps([tuple(_portable(part) for part in message) for message in what])


def _portable(part: Any) -> Any:
    try:
        pickle.dumps(part)
    except Exception as error:
        return RuntimeError(repr(part if isinstance(part, BaseException) else error))
    return part


def _outcome(future: "Future[Any]") -> tuple[Any, BaseException | None]:
    error = Closing(CLOSED) if future.cancelled() else future.exception()
    return (None, error) if error is not None else (future.result(), None)


def _settle(future: "Future[Any]", result: Any, error: BaseException | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
