"""An event loop in a thread of its own, for callers who have none (or one that is busy, as in a notebook)."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Thread, current_thread
from typing import Any, TypeVar

T = TypeVar("T")
GRACE = 5.0  # seconds that cancelled requests get for hanging up


class Loop:
    """Runs coroutines for one caller at a time. Whatever interrupts the caller (Ctrl-C) cancels what runs."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="ramify.remote", daemon=True)
        self._thread.start()

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the coroutine returns."""
        future = asyncio.run_coroutine_threadsafe(make(), self._loop)
        try:
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                self._settle()
            raise

    def _settle(self) -> None:
        """Until the cancelled tasks have hung up."""

        async def rest() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait(tasks, timeout=GRACE) if tasks else None

        with suppress(TimeoutError, CancelledError):
            asyncio.run_coroutine_threadsafe(rest(), self._loop).result(GRACE + 1)

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Run `last` and stop the thread. A second time does nothing; within the thread itself it just stops."""
        if self._loop.is_closed():
            return
        if current_thread() is self._thread:
            self._loop.stop()
            return
        try:
            if last is not None:
                self.run(last)
            self.run(self._loop.shutdown_asyncgens)
            self._settle()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(GRACE)
            self._loop.close()
