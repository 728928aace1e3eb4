"""`ramify serve`, from options to a server that listens, and to its end."""

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn

from ramify.api import LM, ServiceProcess, Serving, Speculate, Tokenizer, compute_on, load, warm_up
from ramify.api.sources import folder_of
from ramify.core.errors import BadInput, Closing, RamifyError, UnknownName
from ramify.core.strict import finite, whole
from ramify.server import logs
from ramify.server.app import create_app
from ramify.server.gate import HOME
from ramify.server.logdb import LogDb
from ramify.server.settings import Limits, Settings

MARGIN = 5.0  # seconds beyond the grace in which streams say that they end
log = logging.getLogger("ramify.server")


class Server(uvicorn.Server):
    """Uvicorn that, asked to stop, lets the engine end what runs while it waits for the answers to be sent."""

    def __init__(self, config: uvicorn.Config, service: Serving, grace: float) -> None:
        super().__init__(config)
        self.service, self.grace, self.lost = service, grace, False

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Nothing new is taken; what runs has `grace` seconds, then it ends with an error of its own."""
        ending = asyncio.create_task(asyncio.to_thread(self.service.close, self.grace))
        await super().shutdown(sockets)
        await ending
        try:
            kept = self.service.audit()  # now: uvicorn raises the signal again, and that ends the process
        except Closing:
            self.lost = True
            log.critical("the engine has ended, and nobody asked it to")
        else:
            log.info("books balanced, pools empty", extra={"fields": {"prefix_pages": kept}})

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop: somebody asked to, or the engine is lost."""
        return await super().on_tick(counter) or self.service.lost


def serve(
    *,
    model: str = "builtin",
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_keys: Sequence[str] = (),
    known: Mapping[str, str] | None = None,
    rewards: Mapping[str, str] | None = None,
    speculate: Speculate | None = None,
    limits: Sequence[str] = (),
    log_format: logs.Format = "auto",
    log_level: str = "info",
    log_db: Path | None = None,
    log_prompts: bool = False,
    grace: float = 30.0,
    threads: int | None = None,
    say: Callable[[str], None] = lambda text: None,
    **options: Any,
) -> None:
    """Load a model and serve it until somebody asks to stop.

    Args:
        name: what clients call the model; else the last part of `model`.
        known: models that requests may name, beside the built-in ones. rewards: the same, offered as rewards.
        limits: caps to change, as "max_n=64".
        threads: cores that the engine computes on; None tries whether to leave one to those who answer (`compute_on`).
        options: of `ramify.load`.
        say: is told what happens before the log begins.
    """
    _checked(host, port, api_keys, grace, threads)
    settings = Settings(
        model=name or (model if model.startswith("builtin") else Path(model).name),
        limits=limits_of(limits),
        api_keys=tuple(api_keys),
        rewards=tuple(rewards or ()),
        known={each: Path(folder) for each, folder in {**(known or {}), **(rewards or {})}.items()},
        draft=None if speculate is None else str(speculate.draft),
        log_db=log_db,
        log_prompts=log_prompts,
        local=host in HOME,
        grace=grace,
    )
    logs.setup(log_format, log_level, prompts=log_prompts)
    say(f"loading {model}")
    options |= {"speculate": speculate, "known": {**(known or {}), **(rewards or {})}, "preallocate": True}
    loading = partial(load, model, **options)
    logging_there = partial(logs.setup, log_format, log_level, prompts=log_prompts)
    with ServiceProcess(loading, max_waiting=settings.limits.max_waiting, prepare=logging_there) as service:
        say("warming up (kernels are compiled once a machine)")
        settings = service.call(_warmed_up, settings, threads).result()
        log.info("engine ready", extra={"fields": {"process": service.pid, "threads": settings.threads}})
        gc.collect()
        gc.freeze()
        asyncio.run(_run(service, settings, host, port, say))


def _warmed_up(lm: LM, settings: Settings, threads: int | None) -> Settings:
    """Every reward loaded, every kernel compiled; what a search is scored by that names no reward, and on how many
    threads the engine computes."""
    for reward in settings.rewards:
        lm.reward(reward)
    usual = _usual_reward(lm, settings)
    lm.search([lm.tokenizer.begin_id or 0], "best-of-n", n=2, reward=usual, max_tokens=3, ignore_eos=True)
    threads = compute_on(lm, threads)
    warm_up(lm)
    lm.forget_prefixes()
    gc.collect()
    gc.freeze()  # what is there now stays: looking through it again would hold up every stream for a tenth of a second
    return replace(settings, reward=usual, threads=threads)


def _usual_reward(lm: LM, settings: Settings) -> str:
    """What a search named behind the model's name is scored by: the first reward given, or what fits the model."""
    fits = lm.tokenizer.disagreement(Tokenizer.load(folder_of("builtin-prm"))) is None
    return settings.rewards[0] if settings.rewards else "builtin-prm" if fits else "logprob"


async def _run(service: Serving, settings: Settings, host: str, port: int, say: Callable[[str], None]) -> None:
    logdb = LogDb(settings.log_db) if settings.log_db is not None else None
    app = create_app(service, settings, logdb=logdb)
    config = uvicorn.Config(
        app, host=host, port=port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=int(settings.grace + MARGIN), h11_max_incomplete_event_size=64 * 1024,
    )  # fmt: skip
    say(f"serving {settings.model} on http://{f'[{host}]' if ':' in host else host}:{port}")
    if host not in HOME and not settings.api_keys:
        print("warning: everybody who reaches this host may use it; set --api-key", file=sys.stderr)
    server = Server(config, service, settings.grace)
    await server.serve()
    if server.lost:
        raise RamifyError("the engine's process has ended, perhaps for want of memory (dmesg says so); start it again")


def limits_of(wishes: Sequence[str]) -> Limits:
    """The caps, some of them changed.

    Raises:
        BadInput, UnknownName: no such cap, or no number.
    """
    caps: dict[str, Any] = {cap.name: cap.default for cap in fields(Limits)}
    changed: dict[str, Any] = {}
    for wish in wishes:
        name, _, text = wish.partition("=")
        name = name.strip().replace("-", "_")
        if name not in caps:
            raise UnknownName("limit", name, caps)
        try:
            value = type(caps[name])(text)
        except ValueError:
            raise BadInput("limit", f"{wish!r}; NAME=NUMBER is expected") from None
        changed[name] = finite(f"limit.{name}", value, 0, 1e15)
    return replace(Limits(), **changed)


def explained_limits() -> list[tuple[str, int | float, str]]:
    """Name, default and meaning of every cap."""
    return [(cap.name, cap.default, cap.metadata["help"]) for cap in fields(Limits)]  # type: ignore[misc]


def dashboard() -> str:
    """The Grafana dashboard, as JSON."""
    return files("ramify.server").joinpath("grafana.json").read_text(encoding="utf-8")


def _checked(host: str, port: int, keys: Sequence[str], grace: float, threads: int | None) -> None:
    if not host:
        raise BadInput("host", "an address is expected; 127.0.0.1 is this machine alone")
    whole("port", port, 0, 65_535)
    finite("grace", grace, 0.0, 86_400.0)
    if threads is not None:
        whole("threads", threads, 1, 4096)
    for key in keys:
        if not key.isascii() or not key.isprintable() or not key.strip() or " " in key:
            raise BadInput("api_key", "printable ASCII without spaces is expected")
