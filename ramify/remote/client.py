"""HTTP with patience (extra `remote`): retries with exponential backoff and jitter, a rate, a limit of requests.

Tried again is what may pass: no connection, a lost one, silence, 408, 425, 429 and 5xx (Retry-After is obeyed), and
answers that cannot be read. A retry asks for the same text (the seed is the branch's). What a server refuses (other
4xx) is an error at once.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import httpx

from ramify.core.errors import BadInput, RemoteError
from ramify.core.ledger import ServerAccount
from ramify.remote.calls import Failed, Json, T, Taker
from ramify.remote.patience import Gate, Pace, Patience, asked_wait

PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that the next try may not have
QUOTED = 300  # characters of a server's complaint that are passed on


class Client:
    """A server's address and how it is to be treated.

    Args:
        base_url: up to and with "/v1". Paths that begin with ".." belong to the server's root.
        transport: instead of the network (tests).
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        patience: Patience,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.patience, self._gate, self._pace = patience, Gate(patience.concurrency), Pace(patience.rate)
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=patience.concurrency)
        timeout = httpx.Timeout(patience.timeout, pool=None)
        try:
            self._base = httpx.URL(base_url.rstrip("/") + "/")
            self._http = httpx.AsyncClient(headers=headers, limits=limits, timeout=timeout, transport=transport)
        except (httpx.InvalidURL, ValueError, TypeError, AttributeError, UnicodeError) as error:
            raise BadInput("base_url", f"{base_url!r} is no address ({error})") from error
        if self._base.scheme not in ("http", "https") or not self._base.host:
            raise BadInput("base_url", f"{base_url!r}; an address as in http://127.0.0.1:8000/v1 is expected")

    async def get(self, path: str, account: ServerAccount, *, retries: int | None = None) -> Any:
        """The JSON of an answer."""
        return await self._persist(lambda: self._whole("GET", path, None), account, retries)

    async def post(
        self,
        path: str,
        body: Json,
        account: ServerAccount,
        read: Callable[[Any], T],
        *,
        retries: int | None = None,
    ) -> T:
        """What `read` makes of the JSON of an answer."""

        async def send() -> T:
            return read(await self._whole("POST", path, body))

        return await self._persist(send, account, retries)

    async def stream(self, path: str, body: Json, account: ServerAccount, begin: Callable[[], Taker]) -> None:
        """Hand every event of a stream to a taker, until it wants no more: then hang up."""

        async def send() -> None:
            taker = begin()
            async with self._http.stream("POST", self._url(path), json=body) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise _refusal(answer)
                async with aclosing(_events(answer)) as events:
                    async for event in events:
                        if not taker.take(event):
                            return
            if not taker.is_whole():
                raise Failed("the stream broke off", crowded=True)

        await self._persist(send, account, None)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def _persist(self, send: Callable[[], Awaitable[T]], account: ServerAccount, retries: int | None) -> T:
        most, tried = self.patience.retries if retries is None else retries, 0
        while True:
            try:
                async with self._gate:
                    await self._pace.wait()
                    account.requests += 1
                    return await send()
            except httpx.TransportError as error:
                failure = Failed(f"{type(error).__name__}: {error}".rstrip(": "))
            except Failed as error:
                failure = error
            if failure.crowded:
                self._gate.lower()
            wait = self.patience.wait(tried, failure.asked)
            if tried >= most or wait is None:
                raise RemoteError(self._given_up(failure, tried + 1), failure.status) from failure
            tried += 1
            account.retries += 1
            await asyncio.sleep(wait)

    async def _whole(self, method: str, path: str, body: Json | None) -> Any:
        answer = await self._http.request(method, self._url(path), json=body)
        if answer.status_code != 200:
            raise _refusal(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise Failed(f"an answer that is no JSON: {answer.text[:80]!r}", 200) from error

    def _url(self, path: str) -> httpx.URL:
        return self._base.join(path)

    def _given_up(self, failure: Failed, tries: int) -> str:
        where, why = f"{self._base.host}:{self._base.port or self._base.scheme}", str(failure)
        if failure.asked is not None and failure.asked > self.patience.most_wait:
            most = self.patience.most_wait
            return f"{where} asks to wait {failure.asked:.0f} s ({why}); the most is {most:.0f} s (most_wait)"
        return f"{where}: {why}, in {tries} {'try' if tries == 1 else 'tries'}"


def _refusal(answer: httpx.Response) -> Exception:
    """What an answer that is not 200 is: passing, or for good."""
    why = f"status {answer.status_code}: {_complaint(answer.text)}"
    if answer.status_code in PASSING:
        asked = asked_wait(answer.headers.get("retry-after"))
        return Failed(why, answer.status_code, asked, crowded=answer.status_code == 429)
    hint = "; give api_key" if answer.status_code == 401 else ""
    return RemoteError(f"the server refused the request, {why}{hint}", answer.status_code)


def _complaint(text: str) -> str:
    """A server's message, out of OpenAI's error object where it is one."""
    try:
        body = json.loads(text)
        error = body.get("error", body.get("detail", body))
        said = error.get("message", error) if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        said = text
    return str(said)[:QUOTED]


async def _events(answer: httpx.Response) -> AsyncGenerator[Json, None]:
    """The JSON of each event, up to [DONE].

    Raises:
        Failed: an event is no JSON object, or an error.
    """
    async with aclosing(answer.aiter_lines()) as lines:  # type: ignore[type-var]
        async for line in lines:
            if not line.startswith("data:"):
                continue
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                return
            yield _event(data)


def _event(data: str) -> Json:
    try:
        event = json.loads(data)
    except ValueError as error:
        raise Failed(f"an event that is no JSON: {data[:80]!r}", 200) from error
    if not isinstance(event, dict):
        raise Failed(f"an event that is no object: {data[:80]!r}", 200)
    if event.get("error"):
        raise Failed(f"an error in the stream: {_complaint(data)}", 200)
    return event
