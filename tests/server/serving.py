"""A server as users have it: uvicorn on a free port, in a thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

import ramify
from ramify.api.live import Service
from ramify.server.app import create_app
from ramify.server.running import Server
from ramify.server.settings import Settings

PATIENCE = 60.0  # seconds until a test gives a thread up


@dataclass(frozen=True)
class Served:
    """A running server. `url` ends in no slash."""

    url: str
    app: FastAPI
    service: Service
    settings: Settings

    @property
    def model(self) -> str:
        """The name of the model that it serves."""
        return self.settings.model

    def http(self, **options: Any) -> httpx.Client:
        """A plain client of it."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE, **options)

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        """One request of its own."""
        with self.http() as client:
            return client.post(path, json=body, **options)

    def used_pages(self) -> int:
        """Pages that branches hold, of all models; what only the prefix tree keeps is free to be taken."""
        return sum(used for used, _, _ in self.service.status().pages.values())

    def idle(self) -> bool:
        """Whether nobody is served, and nobody holds a page."""
        status = self.service.status()
        return not status.running and not status.waiting and not self.used_pages()


@contextmanager
def serve(model: str | Path, settings: Settings, **load: Any) -> Iterator[Served]:
    """Serve a model; in exact mode and little memory unless said otherwise. The books balance when it ends."""
    options = {"mode": "exact", "kv_gib": 0.05, "known": settings.known, "speculate": settings.draft} | load
    service = Service(lambda: ramify.load(model, **options), max_waiting=settings.limits.max_waiting)
    with service.lm as lm:
        app = create_app(service, settings)
        with running(app, service) as (_, url):
            yield Served(url, app, service, settings)
        service.close()
        lm.check()
        assert not lm.engine.branches


@contextmanager
def running(app: FastAPI, service: Service, grace: float = 0.0) -> Iterator[tuple[Server, str]]:
    """The server that `ramify serve` runs, and its address."""
    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False), service, grace)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive())
        yield server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


def wait_for(true: Any, seconds: float = PATIENCE) -> None:
    """Until it is so.

    Raises:
        TimeoutError: it is not, for so long.
    """
    end = monotonic() + seconds
    while not true():
        if monotonic() > end:
            raise TimeoutError(f"still not so after {seconds} s")
        sleep(0.01)
