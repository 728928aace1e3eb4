"""The process that an engine runs in: the far end of the pipe that `ServiceProcess` asks through."""

import ctypes
import multiprocessing
import os
import pickle
import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from ramify.api.live import CLOSED, Service, Status, Ticket
from ramify.api.lm import LM, Text
from ramify.core.errors import BadInput, Closing
from ramify.core.events import Event

LOOKED = 0.25  # seconds between two counts of the pages while the engine is busy
TRIMMED = 20.0  # seconds after which free memory is given back again: what one rush took, the next finds elsewhere
PRIMITIVES = "384"  # compiled products that oneDNN keeps, half a MiB each: two models' for all sizes of a step
NICE = 5  # the engine takes what it can get; who answers needs little, but at once


@dataclass(frozen=True)
class Standing:
    """How many requests the engine's process has received, and how it stands."""

    received: int
    status: Status


def live(
    pipe: "Connection[Any, Any]", load: Callable[[], LM], max_waiting: int, prepare: Callable[[], None] | None
) -> None:
    """The process. It ends when it is told to, or when nobody is left to tell it."""
    threading.Thread(target=_end_with_parent, name="ramify-parent", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):  # they come to all processes of a terminal or a unit: not its end
        signal.signal(number, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(NICE)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", PRIMITIVES)  # read when the first one is made
    if prepare is not None:
        prepare()
    try:
        service = Service(load, max_waiting=max_waiting)
    except BaseException as error:
        with suppress(OSError):
            pipe.send_bytes(pickle.dumps(_travelling(error)))
        return
    with suppress(OSError):
        pipe.send((service.lm.folder, service.reader.context, service.status()))
        _Host(pipe, service).serve()


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
        threading.Thread(target=self._guard, name="ramify-engine-guard", daemon=True).start()
        with suppress(EOFError, OSError):
            while True:
                verb, number, inside = self._pipe.recv()
                try:
                    what = pickle.loads(inside)
                except Exception as error:
                    self._unreadable(verb, number, error)
                else:
                    getattr(self, f"_{verb}")(number, *what)
        self._service.close()

    def _guard(self) -> None:
        """A process whose engine's thread has died is of use to nobody."""
        self._service.wait()
        if self._service.lost:
            os._exit(1)

    def _unreadable(self, verb: str, number: int, error: Exception) -> None:
        told = BadInput(verb, f"the engine's process cannot read it ({error!r}); functions are those of a module")
        self._said.append(("called", number, None, told) if verb == "call" else ("over", number, None, None, told))
        self._received += verb == "submit"
        self._send()

    def _submit(self, number: int, prompt: Text, method: Any, seed: int, watched: bool, options: Any) -> None:
        watch = partial(self._heard, number) if watched else None
        try:
            ticket = self._service.submit(prompt, method, seed=seed, watch=watch, **options)
        except Exception as error:
            self._say("over", number, None, None, _travelling(error))
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

    def _close(self, number: int, grace: float) -> None:
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


def _end_with_parent() -> None:
    """Also while a model is loaded, when nobody reads the pipe."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _trimming() -> Callable[[int], Any]:
    """glibc's `malloc_trim`, a few milliseconds; nothing where there is none."""
    try:
        trim: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return lambda pad: 0
    return trim


def _pickled(messages: Sequence[tuple[Any, ...]]) -> bytes:
    """Bytes of a round's messages; in the place of a result that cannot be pickled stands an error that says so."""
    try:
        return pickle.dumps(messages, pickle.HIGHEST_PROTOCOL)
    except Exception:
        return pickle.dumps([_portable(message) for message in messages], pickle.HIGHEST_PROTOCOL)


def _portable(message: tuple[Any, ...]) -> tuple[Any, ...]:
    try:
        pickle.dumps(message)
    except Exception as error:
        kind, number, told = message[0], message[1], RuntimeError(f"what came of it cannot be sent: {error!r}")
        return ("called", number, None, told) if kind == "called" else ("over", number, None, None, told)
    return message


def _travelling(error: BaseException) -> BaseException:
    """An error as it is, or what it says, if it does not survive the way."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(repr(error))
    return error


def _outcome(future: "Future[Any]") -> tuple[Any, BaseException | None]:
    error = Closing(CLOSED) if future.cancelled() else future.exception()
    return (None, _travelling(error)) if error is not None else (future.result(), None)
