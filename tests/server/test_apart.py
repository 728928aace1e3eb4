"""The server over an engine in a process of its own, as `ramify serve` runs it: the same answers, and its end."""

import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

import ramify
from ramify.api import ServiceProcess
from ramify.server.app import create_app
from ramify.server.settings import Settings
from tests.server.conftest import NAME
from tests.server.serving import Served, running, wait_for
from tests.server.talking import sent_events

PATH = "/v1/completions"
ASKED: dict[str, dict[str, Any]] = {
    "plain": {"n": 2, "logprobs": 2, "echo": True},
    "search": {"search": {"method": "best-of-n", "n": 4, "reward": "scorer"}},
    "beams": {"beam_width": 2},
    "nothing drawn": {"max_tokens": 0, "echo": True, "logprobs": 1},
}
REFUSED: dict[str, dict[str, Any]] = {
    "unknown reward": {"search": {"method": "best-of-n", "n": 2, "reward": "nobody"}},
    "too long": {"prompt": [5] * 600},
    "unknown option": {"search": {"method": "best-of-n", "n": 2, "reward": "scorer", "frob": 1}},
}


def start(folders: Path, settings: Settings) -> ServiceProcess:
    known = {name: str(folder) for name, folder in settings.known.items()}
    return ServiceProcess(partial(ramify.load, folders / "writer", mode="exact", kv_gib=0.05, known=known))


@pytest.fixture(scope="module")
def apart(folders: Path, settings: Settings) -> Iterator[Served]:
    with start(folders, settings) as service:
        app = create_app(service, settings)
        with running(app, service) as (_, url):
            yield Served(url, app, service, settings)


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": NAME, "prompt": "hello", "max_tokens": 12, "seed": 3} | fields


def told(answer: httpx.Response) -> dict[str, Any]:
    """All of an answer but its name and its time."""
    body = answer.json()
    ledger = body.get("search", {}).get("ledger", {})
    for name in ("seconds",):
        ledger.pop(name, None)
    return {name: value for name, value in body.items() if name not in ("id", "created")}


@pytest.mark.parametrize("fields", ASKED.values(), ids=ASKED)
def test_answers_are_those_of_an_engine_in_the_same_process(
    fields: dict[str, Any], apart: Served, served: Served
) -> None:
    mine, theirs = apart.post(PATH, asked(**fields)), served.post(PATH, asked(**fields))
    assert mine.status_code == theirs.status_code == 200
    left, right = told(mine), told(theirs)
    assert left["choices"] == right["choices"] and left["usage"] == right["usage"]
    if "search" in left:
        assert left["search"]["candidates"] == right["search"]["candidates"]


@pytest.mark.parametrize("fields", [{}, ASKED["search"]], ids=["plain", "search"])
def test_streams_are_those_of_an_engine_in_the_same_process(
    fields: dict[str, Any], apart: Served, served: Served
) -> None:
    def sent(server: Served) -> list[Any]:
        with server.http() as client, client.stream("POST", PATH, json=asked(stream=True, **fields)) as answer:
            events = list(sent_events(answer.iter_lines()))
        assert events[-1].data == "[DONE]"
        bodies = [event.data for event in events[:-1]]
        return [
            (body["choices"], {k: v for k, v in body.get("search", {}).items() if k != "ledger"}) for body in bodies
        ]

    assert sent(apart) == sent(served)


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_what_the_engine_refuses_is_refused_in_the_same_words(
    fields: dict[str, Any], apart: Served, served: Served
) -> None:
    mine, theirs = apart.post(PATH, asked(**fields)), served.post(PATH, asked(**fields))
    assert mine.status_code == theirs.status_code == 400 and mine.json() == theirs.json()


def test_scores_are_the_same(apart: Served, served: Served) -> None:
    body = {"model": "scorer", "prompt": "hello", "completions": ["one two", "three"]}
    mine, theirs = apart.post("/v1/score", body), served.post("/v1/score", body)
    assert mine.status_code == 200 and mine.json()["data"] == theirs.json()["data"]


def test_who_leaves_frees_pages_and_is_billed(apart: Served) -> None:
    def drawn() -> float:
        with apart.http() as client:
            text = client.get("/metrics").text
        return float(re.findall(r"^ramify_generation_tokens_total (\S+)$", text, re.MULTILINE)[0])

    wait_for(apart.idle)
    before, body = drawn(), asked(n=8, max_tokens=240, ignore_eos=True, stream=True)
    with apart.http() as client, client.stream("POST", PATH, json=body) as answer:
        lines = answer.iter_lines()
        for _ in range(6):
            next(lines)
    wait_for(apart.idle)
    wait_for(lambda: drawn() > before, 5)


def test_metrics_tell_of_the_engines_process(apart: Served) -> None:
    with apart.http() as client:
        text = client.get("/metrics").text
    assert float(re.findall(r"^engine_process_resident_memory_bytes (\S+)$", text, re.MULTILINE)[0]) > 1e7


def test_a_server_whose_engine_died_says_so_and_ends(folders: Path, settings: Settings) -> None:
    with (
        start(folders, settings) as service,
        running(create_app(service, settings), service) as (server, url),
        httpx.Client(base_url=url) as client,
    ):
        body = asked(max_tokens=240, ignore_eos=True, stream=True)
        with client.stream("POST", PATH, json=body, timeout=60) as answer:
            lines = answer.iter_lines()
            first = [next(lines) for _ in range(2)]
            assert service.pid is not None
            os.kill(service.pid, signal.SIGKILL)
            sent = list(sent_events([*first, *lines]))
        assert sent[-1].data["error"]["code"] == "closing"
        wait_for(lambda: server.lost)
