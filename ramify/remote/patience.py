"""Not too many requests at once, not too many a second, and how long to wait before the next try."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType

from ramify.core.strict import finite, whole


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How a server is to be treated.

    concurrency     most requests at a time         rate        most requests a second; None: no limit
    timeout         seconds of silence until a request counts as lost
    retries         tries after the first           backoff     seconds before the second try; doubled for each more
    most_wait       seconds that a wait may last: a server that asks for more is given up
    """

    concurrency: int = 16
    rate: float | None = None
    timeout: float = 120.0
    retries: int = 5
    backoff: float = 0.5
    most_wait: float = 60.0

    def __post_init__(self) -> None:
        whole("concurrency", self.concurrency, 1, 4096)
        whole("retries", self.retries, 0, 100)
        if self.rate is not None:
            finite("rate", self.rate, 1e-3, 1e6)
        finite("timeout", self.timeout, 1e-3, 1e6)
        finite("backoff", self.backoff, 0.0, 1e4)
        finite("most_wait", self.most_wait, 0.0, 1e6)

    def wait(self, tried: int, asked: float | None, jitter: Callable[[], float] = random.random) -> float | None:
        """Seconds until the next try: at least what the server asked for; None where that is too long.

        The wait is doubled with every try and spread over [1/2, 1] of that, so that many clients do not come back at
        once.
        """
        if asked is not None and asked > self.most_wait:
            return None
        own = min(self.most_wait, self.backoff * 2.0 ** min(tried, 30)) * (0.5 + jitter() / 2)
        return max(own, asked or 0.0)


def asked_wait(header: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (date - now()).total_seconds()) if date.tzinfo is not None else None


class Gate:
    """Lets `limit` in at a time. A server that cannot take so many lowers it."""

    def __init__(self, limit: int) -> None:
        self.limit, self._busy, self._changed = limit, 0, asyncio.Condition()

    def lower(self) -> None:
        """Half as many from now on."""
        self.limit = max(1, self.limit // 2)

    async def __aenter__(self) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._busy < self.limit)
            self._busy += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._busy -= 1
        async with self._changed:
            self._changed.notify_all()


class Pace:
    """At most `rate` a second, evenly."""

    def __init__(self, rate: float | None) -> None:
        self._gap, self._next = 0.0 if rate is None else 1.0 / rate, 0.0

    async def wait(self) -> None:
        """Until it is one's turn."""
        if self._gap:
            now = asyncio.get_running_loop().time()
            self._next = max(now, self._next + self._gap)
            await asyncio.sleep(self._next - now)
