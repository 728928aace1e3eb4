"""Servers that fail: what passes is tried again with the same seed, what does not is an error that says so."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from ramify.core.errors import RemoteError
from ramify.remote.patience import Patience, asked_wait
from tests.remote.conftest import Meet
from tests.remote.fakes import Fault, ToyServer

PLAIN: dict[str, Any] = {"n": 4, "max_tokens": 8, "seed": 1}


def status(code: int, **headers: str) -> Fault:
    return lambda body: httpx.Response(code, json={"error": {"message": "not now"}}, headers=headers)


def drop(body: Mapping[str, Any]) -> httpx.Response:
    raise httpx.ReadError("the connection was lost")


def refuse(body: Mapping[str, Any]) -> httpx.Response:
    raise httpx.ConnectError("refused")


def silence(body: Mapping[str, Any]) -> httpx.Response:
    raise httpx.ReadTimeout("too slow")


def raw(text: str) -> Fault:
    return lambda body: httpx.Response(200, text=text)


def broken_off(body: Mapping[str, Any]) -> httpx.Response:
    """A stream that ends before its text does, as a server's that takes one request at a time."""
    return httpx.Response(200, text='data: {"choices": [{"index": 0, "text": "aa"}]}\n\ndata: [DONE]\n\n')


def error_inside(body: Mapping[str, Any]) -> httpx.Response:
    return httpx.Response(200, text='data: {"error": {"message": "overloaded"}}\n\n')


PASSING = {
    "429": status(429),
    "500": status(500),
    "503": status(503),
    "dropped": drop,
    "refused": refuse,
    "silent": silence,
    "no JSON": raw("<html>"),
    "half a JSON": raw('{"choices": [{"te'),
    "no choices": raw('{"choices": []}'),
    "no text": raw('{"choices": [{"index": 0, "text": 7, "finish_reason": "stop"}]}'),
    "no reason": raw('{"choices": [{"index": 0, "text": "a"}]}'),
    "ids that are none": raw('{"choices": [{"index": 0, "text": "a", "token_ids": ["x"], "finish_reason": "stop"}]}'),
    "a list": raw("[]"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("ids", [True, False])
def test_what_passes_is_tried_again(meet: Meet, fault: Fault, ids: bool) -> None:
    """Twice the fault, at any request; then the very same result."""
    toy = ToyServer(ids=ids)
    remote = meet(toy)
    want = remote.search("aba", **PLAIN)
    toy.faults = [fault, fault]
    got = remote.search("aba", **PLAIN)
    assert [c.text for c in got.candidates] == [c.text for c in want.candidates]
    assert got.ledger.server.retries == 2
    assert got.ledger.generated_tokens == want.ledger.generated_tokens


STREAMS = {"broken off": broken_off, "an error inside": error_inside, "no JSON": raw("data: {\n\n"), "dropped": drop}


@pytest.mark.parametrize("fault", STREAMS.values(), ids=STREAMS)
def test_streams_are_read_again_from_their_beginning(meet: Meet, fault: Fault) -> None:
    """Nothing of the broken stream is kept beside the whole one."""
    toy, options = ToyServer(ids=False), {"n": 3, "marker": "b", "max_tokens": 8, "seed": 2}
    remote = meet(toy)
    want = remote.search("aba", "particle-filter", reward=lambda p, t: float(len(t)), **options)
    toy.faults = [fault] * 3
    got = remote.search("aba", "particle-filter", reward=lambda p, t: float(len(t)), **options)
    assert [c.text for c in got.candidates] == [c.text for c in want.candidates]
    assert got.ledger.server.retries == 3


def test_retry_after_is_obeyed(meet: Meet) -> None:
    toy = ToyServer(ids=False)
    remote = meet(toy)
    toy.faults = [status(429, **{"retry-after": "0.3"})]
    started = time.monotonic()
    remote.search("aba", n=1, max_tokens=4)
    assert time.monotonic() - started >= 0.3


def test_a_wait_that_is_too_long_is_an_error(meet: Meet) -> None:
    toy = ToyServer(ids=False)
    remote = meet(toy)
    toy.faults = [status(429, **{"retry-after": "3600"})]
    with pytest.raises(RemoteError, match="3600 s") as told:
        remote.search("aba", n=1, max_tokens=4)
    assert told.value.status == 429


def test_giving_up_says_how_often(meet: Meet) -> None:
    toy = ToyServer(ids=False)
    remote = meet(toy, retries=2)
    toy.faults = [status(503)] * 9
    with pytest.raises(RemoteError, match=r"503: not now, in 3 tries"):
        remote.search("aba", n=1, max_tokens=4)


@pytest.mark.parametrize("code", [400, 401, 404, 422])
def test_a_refusal_is_not_tried_again(meet: Meet, code: int) -> None:
    toy = ToyServer(ids=False)
    remote = meet(toy)
    toy.faults = [status(code)] * 9
    with pytest.raises(RemoteError, match=f"{code}: not now") as told:
        remote.search("aba", n=1, max_tokens=4)
    assert told.value.status == code and len(toy.faults) == 8


def test_a_filtered_text_is_an_error(meet: Meet) -> None:
    toy = ToyServer(ids=False)
    remote = meet(toy)
    toy.faults = [raw('{"choices": [{"index": 0, "text": "a", "finish_reason": "content_filter"}]}')]
    with pytest.raises(RemoteError, match="content_filter"):
        remote.search("aba", n=1, max_tokens=4)


def test_fewer_texts_than_asked_for(meet: Meet) -> None:
    toy = ToyServer()
    remote = meet(toy)
    toy.n = "ignored"  # behind the probe's back
    with pytest.raises(RemoteError, match="4 texts were asked for, 1 came"):
        remote.search("aba", n=4, max_tokens=4)


@pytest.mark.parametrize("tried", range(4))
def test_waits_double_and_are_spread(tried: int) -> None:
    patience = Patience(backoff=1.0, most_wait=5.0)
    shortest, longest = patience.wait(tried, None, lambda: 0.0), patience.wait(tried, None, lambda: 1.0)
    assert shortest is not None and longest == min(5.0, 2.0**tried) == 2 * shortest
    assert patience.wait(tried, 4.9, lambda: 0.0) == max(4.9, shortest)
    assert patience.wait(tried, 5.1) is None


def test_retry_after_may_be_a_date() -> None:
    assert asked_wait("7") == 7.0 and asked_wait(None) is None and asked_wait("soon") is None
    assert asked_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


def test_a_rate_is_kept(meet: Meet) -> None:
    remote = meet(ToyServer(ids=False), rate=40.0, choices=1)
    started = time.monotonic()
    remote.search("aba", n=9, max_tokens=2)
    assert time.monotonic() - started >= 8 / 40


class Busy(httpx.AsyncBaseTransport):
    """Counts how many requests are there at a time; answers after a while, or never."""

    def __init__(self, toy: ToyServer, delay: float) -> None:
        self.inner, self.delay, self.now, self.most, self.hung_up = toy.transport(), delay, 0, 0, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.delay)
            return await self.inner.handle_async_request(request)
        except asyncio.CancelledError:
            self.hung_up += 1
            raise
        finally:
            self.now -= 1


def test_not_more_at_a_time_than_allowed(meet: Meet) -> None:
    busy = Busy(ToyServer(ids=False), 0.01)
    remote = meet(ToyServer(), transport=busy, concurrency=3, choices=1)
    remote.search("aba", n=12, max_tokens=2)
    assert busy.most == 3


def test_an_interrupt_hangs_up(meet: Meet) -> None:
    """Ctrl-C: what is on its way is cancelled, and the next search works."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
    busy = Busy(ToyServer(ids=False), 0.001)
    remote = meet(ToyServer(), transport=busy, choices=1)
    busy.delay = 60.0
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        remote.search("aba", n=4, max_tokens=2)
    assert busy.now == 0 and busy.hung_up == 4
    busy.delay = 0.0
    assert remote.search("aba", n=1, max_tokens=2).candidates
