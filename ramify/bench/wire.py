"""A client that does next to nothing while an answer comes: bytes with their times are kept, and read afterwards.

So one process can drive many streams without being what limits them, and can break off, or send nonsense, at any point.
"""

import asyncio
import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from time import perf_counter
from typing import Any

from ramify.bench.process import HOST

EVENT = re.compile(rb"data: (\{.*\}|\[DONE\])\r?\n")


@dataclass(frozen=True)
class Exchange:
    """A request that was sent and what came back.

    Args:
        reads: bytes as they came, with their times. began: when it was sent. ended: when the connection was closed.
    """

    reads: Sequence[tuple[float, bytes]]
    began: float
    ended: float

    @cached_property
    def raw(self) -> bytes:
        """All that came."""
        return b"".join(data for _, data in self.reads)

    @cached_property
    def status(self) -> int | None:
        """None: no answer came."""
        found = re.match(rb"HTTP/1\.[01] (\d{3})", self.raw)
        return int(found[1]) if found else None

    @property
    def head(self) -> bytes:
        """The status line and the headers, in lower case."""
        return self.raw.partition(b"\r\n\r\n")[0].lower()

    @property
    def body(self) -> bytes:
        """What came behind the headers, without the frames of its chunks."""
        _, _, rest = self.raw.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in self.head:
            return rest
        body = bytearray()
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            count = int(size or b"0", 16)
            if count == 0:
                break
            body += rest[:count]
            rest = rest[count + 2 :]
        return bytes(body)

    @property
    def complete(self) -> bool:
        """Whether the answer is whole, as its own headers have it."""
        if b"transfer-encoding: chunked" in self.head:
            return self.raw.endswith(b"0\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", self.head)
        return length is None or len(self.raw.partition(b"\r\n\r\n")[2]) == int(length[1])

    @property
    def first(self) -> float | None:
        """Seconds to the first byte."""
        return self.reads[0][0] - self.began if self.reads else None

    def events(self) -> list[tuple[float, Any]]:
        """Server-sent data with the times at which it was there; [DONE] is None."""
        ends = list(accumulate(len(data) for _, data in self.reads))
        found = []
        for match in EVENT.finditer(self.raw):
            came = self.reads[bisect_left(ends, match.end())][0]
            found.append((came, None if match[1] == b"[DONE]" else json.loads(match[1])))
        return found


@dataclass(eq=False)
class _Talk(asyncio.Protocol):
    parts: Sequence[bytes]
    over: "asyncio.Future[None]"
    reads: list[tuple[float, bytes]] = field(default_factory=list)
    transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        for part in self.parts:
            self.transport.write(part)

    def data_received(self, data: bytes) -> None:
        self.reads.append((perf_counter(), data))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


def request(path: str, body: Any = None, *, method: str = "POST", headers: Sequence[str] = ()) -> bytes:
    """The bytes of a request whose connection ends with the answer. A body that is no bytes goes as JSON."""
    content: bytes = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *headers]
    named = " ".join(headers).lower()
    if content and "content-type" not in named:
        lines.append("Content-Type: application/json")
    if "transfer-encoding" not in named and "content-length" not in named:
        lines.append(f"Content-Length: {len(content)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


async def ask(port: int, *parts: bytes, leave: float | None = None, patience: float = 600.0) -> Exchange:
    """Send a request and wait for all of the answer, or hang up after `leave` seconds.

    Raises:
        TimeoutError: there is no end of it.
    """
    loop, began = asyncio.get_running_loop(), perf_counter()
    over: asyncio.Future[None] = loop.create_future()
    talk = _Talk(parts, over)
    with suppress(ConnectionError):
        await loop.create_connection(lambda: talk, HOST, port)
        try:
            if leave is None:
                await asyncio.wait_for(over, patience)
            else:
                await asyncio.wait([over], timeout=leave)
        finally:
            talk.transport.abort()
    return Exchange(talk.reads, began, perf_counter())
