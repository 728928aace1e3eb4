"""Clients that leave, clients that are too many, a server that stops: nothing is left behind, nobody left waiting."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from ramify.server.settings import Limits, Settings
from tests.server.conftest import NAME
from tests.server.serving import Served, running, serve, wait_for
from tests.server.talking import sent_events

PATH = "/v1/completions"


def plain(**fields: Any) -> dict[str, Any]:
    return {"model": NAME, "prompt": "hello", "max_tokens": 2} | fields


LONG = {"max_tokens": 240, "ignore_eos": True}
WIDE: dict[str, dict[str, Any]] = {
    "plain": {"n": 32, **LONG},
    "search": {"search": {"method": "best-of-n", "n": 32, "reward": "scorer"}, **LONG},
}


@pytest.mark.parametrize("fields", WIDE.values(), ids=WIDE)
def test_who_leaves_a_stream_frees_branches_and_pages(fields: dict[str, Any], served: Served) -> None:
    wait_for(served.idle)
    with served.http() as client, client.stream("POST", PATH, json=plain(stream=True) | fields) as answer:
        lines = answer.iter_lines()
        first = next(lines)
        assert served.service.status().running == 1 and served.used_pages() > 0, [first, *lines][-4:]
    wait_for(served.idle, 2)


@pytest.mark.parametrize("fields", WIDE.values(), ids=WIDE)
def test_who_does_not_wait_for_an_answer_frees_them_too(fields: dict[str, Any], served: Served) -> None:
    wait_for(served.idle)
    with served.http() as client, pytest.raises(httpx.ReadTimeout):
        client.post(PATH, json=plain() | fields, timeout=httpx.Timeout(60.0, read=0.1))
    wait_for(served.idle, 2)


@pytest.fixture
def crowded(folders: Path) -> Iterator[Served]:
    """A server where three may wait."""
    with serve(folders / "writer", Settings(model=NAME, limits=Limits(max_waiting=3))) as server:
        yield server


def test_too_many_are_told_to_come_back(crowded: Served) -> None:
    """The engine is held still: three wait, the fourth is refused, and the three are answered in the end."""
    go = threading.Event()
    crowded.service.call(lambda lm: go.wait(60))
    answers = list[httpx.Response]()
    waiting = [threading.Thread(target=lambda: answers.append(crowded.post(PATH, plain()))) for _ in range(3)]
    for thread in waiting:
        thread.start()
    try:
        wait_for(lambda: crowded.service.status().waiting == 3)
        refused = crowded.post(PATH, plain())
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert crowded.post(PATH, plain(stream=True)).status_code == 429
        with (
            openai.OpenAI(api_key="none", base_url=f"{crowded.url}/v1", max_retries=0) as client,
            pytest.raises(openai.RateLimitError),
        ):
            client.completions.create(model=NAME, prompt="hello")
    finally:
        go.set()
        for thread in waiting:
            thread.join()
    assert [answer.status_code for answer in answers] == [200] * 3


@pytest.mark.parametrize("grace", [0.0, 30.0])
def test_a_server_that_stops_ends_its_streams(grace: float, crowded: Served) -> None:
    """With time they end as they should; without it, in an error that says so. Nobody is left with half a line."""
    body = plain(max_tokens=120, ignore_eos=True, stream=True)
    with (
        running(crowded.app, crowded.service, grace) as (server, url),
        httpx.Client(base_url=url) as client,
        client.stream("POST", PATH, json=body, timeout=60) as answer,
    ):
        lines = answer.iter_lines()
        first = [next(lines) for _ in range(2)]
        server.should_exit = True
        sent = list(sent_events([*first, *lines]))
    if grace:
        assert sent[-1].data == "[DONE]"
        assert sent[-2].data["choices"][0]["finish_reason"] == "length"
    else:
        assert sent[-1].data["error"]["code"] == "closing"
    wait_for(crowded.idle)


def test_a_server_that_stops_takes_nothing_new(crowded: Served) -> None:
    crowded.service.close()
    answer = crowded.post(PATH, plain())
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["error"]["code"] == "closing"
