"""Requests under way: handed to the engine, waited for or streamed, ended when nobody listens any more."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import get_ident
from time import perf_counter
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from ramify.api import LM, Reader, Serving, Ticket
from ramify.core.events import Event
from ramify.core.ledger import Ledger
from ramify.core.results import Candidate, Result
from ramify.server.answers import Head, answer, ledger_of
from ramify.server.errors import Refused, refused
from ramify.server.logdb import LogDb
from ramify.server.metrics import Metrics
from ramify.server.settings import Settings
from ramify.server.streams import GONE, Item, Stream
from ramify.server.wishes import Wish

CLIENT_WENT_AWAY = 499


class Calls:
    """What the routes have in common."""

    def __init__(self, service: Serving, settings: Settings, metrics: Metrics, logdb: LogDb | None) -> None:
        self.service, self.settings, self.metrics, self.logdb = service, settings, metrics, logdb
        self.outbox = Outbox()
        service.on_round(self.outbox.send)

    @property
    def reader(self) -> Reader:
        """How the served model's prompts are read."""
        return self.service.reader

    async def complete(self, request: Request, wish: Wish) -> Response:
        """Answer a completion or a chat, at once or as a stream."""
        prefix = "chatcmpl" if wish.chat else "cmpl"
        head = Head(f"{prefix}-{secrets.token_hex(12)}", int(time.time()), self.settings.model, wish.chat)
        prompts = [self.ids(prompt) for prompt in wish.prompts]
        call = Call(self, request, wish)
        if wish.read_only:
            reads = [self.service.call(read_prompt, ids, wish.prompt_logprobs) for ids in prompts]
            results = [await asyncio.wrap_future(read) for read in reads]
            return call.done(answer(head, wish, results, prompts, self.reader.tokenizer), results)
        if wish.stream:
            return await call.stream(head, prompts)
        results = await call.wait(call.begin(None))
        return call.done(answer(head, wish, results, prompts, self.reader.tokenizer), results)

    def ids(self, prompt: Any) -> list[int]:
        """The tokens that a prompt is read as; of an empty one the model's begin token."""
        begin = self.reader.tokenizer.begin_id
        return self.reader.encode(prompt) or ([] if begin is None else [begin])


class Call:
    """One request."""

    def __init__(self, calls: Calls, request: Request, wish: Wish) -> None:
        self.calls, self.request, self.wish = calls, request, wish
        self.began, self.arrived = perf_counter(), time.time()
        self.tickets: list[Ticket] = []
        noted = request.state.noted
        noted["method"] = wish.name if wish.search is not None else None
        if wish.search is not None:
            calls.metrics.search(wish.name)

    def begin(self, watch: Callable[[int], Callable[[Event], None]] | None) -> list[Ticket]:
        """Hand all prompts in, or none."""
        wish, seed, service = self.wish, self.wish.seed, self.calls.service
        if seed is None:
            seed = secrets.randbits(48)
        try:
            for i, prompt in enumerate(wish.prompts):
                heard = watch(i) if watch is not None else None
                ticket = service.submit(
                    prompt, wish.method, seed=seed + i, watch=heard, salt=self.request.state.salt, **wish.options
                )
                self.tickets.append(ticket)
        except Exception:
            self.cancel()
            raise
        return self.tickets

    def cancel(self) -> None:
        """End all that still runs."""
        for ticket in self.tickets:
            ticket.cancel()

    async def wait(self, tickets: Sequence[Ticket]) -> list[Result]:
        """All results; the first error ends the others. A client that goes away ends them, too."""
        work = asyncio.gather(*(asyncio.wrap_future(ticket.future) for ticket in tickets))
        gone = asyncio.ensure_future(disconnected(self.request))
        both: list[asyncio.Future[Any]] = [work, gone]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self._went_away()
                raise Refused(CLIENT_WENT_AWAY, "the client went away", code="cancelled")
            return list(work.result())
        except BaseException as error:
            self.cancel()
            self._failed(error)
            raise
        finally:
            gone.cancel()
            work.cancel()
            with suppress(BaseException):
                await work

    async def stream(self, head: Head, prompts: Sequence[Sequence[int]]) -> Response:
        """Begin, and answer with a stream as soon as something happened: what is wrong at the door is no stream yet."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Item] = asyncio.Queue()
        clock = Clock(self.calls.metrics, self.began, "plain" if self.wish.search is None else "search")

        here, outbox = get_ident(), self.calls.outbox

        def put(item: Item) -> None:
            if get_ident() == here:  # it was over before anybody asked; what it said before that is on its way already
                loop.call_soon(queue.put_nowait, item)
            else:
                outbox.put(loop, queue, item)

        def watch(i: int) -> Callable[[Event], None]:
            def heard(event: Event) -> None:
                clock.heard(i, event)
                put((i, event))

            return heard

        tickets = self.begin(watch)
        for i, ticket in enumerate(tickets):
            ticket.future.add_done_callback(lambda _, i=i: put((i, None)))  # type: ignore[misc]
        gone = asyncio.create_task(disconnected(self.request))
        gone.add_done_callback(lambda task: None if task.cancelled() else queue.put_nowait((GONE, None)))
        first = await queue.get()
        try:
            if first[0] == GONE:
                self._went_away()
                raise Refused(CLIENT_WENT_AWAY, "the client went away", code="cancelled")
            if first[1] is None:
                tickets[first[0]].future.result()
        except BaseException as error:
            self.cancel()
            gone.cancel()
            self._failed(error)
            raise
        stream = Stream(head, self.wish, queue, tickets, prompts, self.calls.reader.tokenizer, gone)
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        body = self._pieces(stream, first, gone)
        return StreamingResponse(body, media_type="text/event-stream; charset=utf-8", headers=headers)

    async def _pieces(self, stream: Stream, first: Item, gone: "asyncio.Task[None]") -> Any:
        try:
            async for piece in stream.pieces(first):
                yield piece
        finally:
            gone.cancel()
            self.cancel()
            results = [result for result in stream.results if result is not None]
            if len(results) < len(self.tickets) and stream.error is None:
                self._went_away()
                self._failed(Refused(CLIENT_WENT_AWAY, "the client went away"))
            elif stream.error is not None:
                self._failed(stream.error)
            else:
                self._note(results, 200, {"streamed": [result.text for result in results]})

    def done(self, body: dict[str, Any], results: Sequence[Result]) -> Response:
        """The whole answer."""
        self._note(results, 200, body)
        return JSONResponse(body)

    def _went_away(self) -> None:
        self.calls.metrics.disconnected()

    def _failed(self, error: BaseException) -> None:
        """Count what was spent before it went wrong, and write it down, once all has ended."""
        loop, left = asyncio.get_running_loop(), {id(ticket) for ticket in self.tickets}

        def ended(ticket: Ticket) -> None:
            left.discard(id(ticket))
            if not left:
                self._spent(error)

        def heard(ticket: Ticket) -> None:
            with suppress(RuntimeError):  # the loop is closed, and with it the books
                loop.call_soon_threadsafe(ended, ticket)

        for ticket in self.tickets:
            ticket.future.add_done_callback(lambda _, ticket=ticket: heard(ticket))  # type: ignore[misc]
        if not self.tickets:
            self._spent(error)

    def _spent(self, error: BaseException) -> None:
        spent = [ticket.ledger for ticket in self.tickets if ticket.ledger is not None]
        for ledger in spent:
            self.calls.metrics.result(self.wish.name, ledger)
        told = refused(error)
        self._write(told.status, spent, told.body, "error")

    def _note(self, results: Sequence[Result], status: int, body: Any) -> None:
        ledgers = [result.ledger for result in results]
        noted = self.request.state.noted
        noted["prompt_tokens"] = sum(ledger.prompt_tokens for ledger in ledgers)
        noted["generated_tokens"] = sum(ledger.generated_tokens for ledger in ledgers)
        if self.calls.settings.log_prompts:
            noted["prompt"] = [self.calls.reader.tokenizer.decode(self.calls.ids(p)) for p in self.wish.prompts]
            noted["text"] = [result.text for result in results]
        for ledger in ledgers:
            self.calls.metrics.result(self.wish.name, ledger)
        finish = results[0].best.stopped_because if results else None
        self._write(status, ledgers, body, finish)

    def _write(self, status: int, ledgers: Sequence[Ledger], body: Any, finish: str | None) -> None:
        logdb = self.calls.logdb
        if logdb is None:
            return
        total = Ledger()
        for ledger in ledgers:
            total.add(ledger)
        state = self.request.state
        record = {
            "request_id": state.request_id, "time": self.arrived, "route": self.request.url.path,
            "model": self.calls.settings.model, "method": self.wish.name if self.wish.search is not None else None,
            "seed": self.tickets[0].seed if self.tickets else None, "status": status, "finish": finish,
            "prompt_tokens": total.prompt_tokens, "generated_tokens": total.generated_tokens, "flops": total.flops,
            "seconds": perf_counter() - self.began, "request": state.asked, "response": body,
            "ledger": ledger_of(total), "key": logdb.key_id(state.key) if state.key else None,
        }  # fmt: skip
        logdb.write(record)


def read_prompt(lm: LM, ids: Sequence[int], logprobs: int | None) -> Result:
    """On the engine's thread: nothing is drawn, a prompt is read alone."""
    options = {"prompt_logprobs": logprobs} if logprobs is not None else {}
    with lm.prefill(ids, seed=0, **options) as handle:
        best = Candidate("", None, 0, "length", None, ())
        known = tuple(handle.branch.prompt_logprobs)
        return Result(best, (best,), (), (), replace(handle.ledger), "sample", 0, known)


class Outbox:
    """What happens in a round of the engine, for queues of an event loop; on the engine's thread.

    Each call into a loop of another thread hands the interpreter to that thread, and the engine waits to have it back.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Queue[Item], Item]] = []

    def put(self, loop: asyncio.AbstractEventLoop, queue: "asyncio.Queue[Item]", item: Item) -> None:
        """Keep it until the round is over."""
        self._waiting.append((loop, queue, item))

    def send(self) -> None:
        """The round is over."""
        waiting, self._waiting = self._waiting, []
        for loop in dict.fromkeys(loop for loop, _, _ in waiting):
            with suppress(RuntimeError):  # the loop is gone, and nobody listens
                loop.call_soon_threadsafe(_deliver, [(queue, item) for at, queue, item in waiting if at is loop])


def _deliver(items: "Sequence[tuple[asyncio.Queue[Item], Item]]") -> None:
    for queue, item in items:
        queue.put_nowait(item)


class Clock:
    """When tokens came, for the metrics; on the engine's thread."""

    def __init__(self, metrics: Metrics, began: float, kind: str) -> None:
        self.metrics, self.began, self.kind = metrics, began, kind
        self._last: dict[tuple[int, int], float] = {}
        self._first = False

    def heard(self, prompt: int, event: Event) -> None:
        """Note the time of an event that brings tokens."""
        if not event.tokens:
            return
        now, branch = perf_counter(), (prompt, event.branch)
        if not self._first:
            self._first = True
            self.metrics.first_token(now - self.began, self.kind)
        elif branch in self._last:
            self.metrics.between_tokens((now - self._last[branch]) / len(event.tokens))
        self._last[branch] = now


async def disconnected(request: Request) -> None:
    """Return when the client went away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
