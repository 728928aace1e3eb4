"""The server's texts are those of the Python API in exact mode: alone, in company, and where memory is short."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

import ramify
from ramify.server.settings import Settings
from tests.server.serving import Served, serve, wait_for
from tests.server.talking import events_of

TEXT, OTHER = "Grüße aus Köln, ", "你好，世界。 The "
CHAT = [{"role": "system", "content": "Kurz."}, {"role": "user", "content": "¿El niño?"}]
OTHERS = 32

ASKED: dict[str, tuple[Any, str, dict[str, Any]]] = {  # prompt, method, options of `LM.search`
    "plain": (TEXT, "sample", {"seed": 1, "max_tokens": 40, "ignore_eos": True}),
    "three": (TEXT, "sample", {"seed": 2, "max_tokens": 30, "n": 3, "temperature": 1.3}),
    "greedy": (OTHER, "sample", {"seed": 3, "max_tokens": 30, "temperature": 0}),
    "penalties": (OTHER, "sample", {"seed": 4, "max_tokens": 30, "frequency_penalty": 1.5, "top_k": 20}),
    "stops": (TEXT, "sample", {"seed": 5, "max_tokens": 60, "n": 2, "stop": (". ", "界"), "ignore_eos": True}),
    "chat": (CHAT, "sample", {"seed": 6, "max_tokens": 30, "n": 2}),
    "best of": (TEXT, "best-of-n", {"seed": 7, "max_tokens": 20, "n": 6, "reward": "scorer"}),
    "beam": (OTHER, "beam", {"seed": 8, "max_tokens": 30, "n": 4, "width": 2, "reward": "scorer", "step": " "}),
    "particles": (TEXT, "particle-filter", {"seed": 9, "max_tokens": 24, "n": 4, "reward": "scorer", "marker": " "}),
    "votes": (CHAT, "majority-vote", {"seed": 10, "max_tokens": 16, "n": 5}),
}
SAMPLING = ("seed", "max_tokens", "ignore_eos", "temperature", "frequency_penalty", "top_k", "stop")


def request(model: str, prompt: Any, method: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The path and the body that ask a server for the same."""
    top = {name: value for name, value in options.items() if name in SAMPLING}
    own = {name: value for name, value in options.items() if name not in SAMPLING}
    if "stop" in top:
        top["stop"] = list(top["stop"])
    asked = own if method == "sample" else {"search": {"method": method} | own}
    if isinstance(prompt, str):
        return "/v1/completions", {"model": model, "prompt": prompt} | top | asked
    return "/v1/chat/completions", {"model": model, "messages": prompt} | top | asked


def texts(answer: dict[str, Any]) -> list[str]:
    """Of all candidates."""
    if "search" in answer:
        return [candidate["text"] for candidate in answer["search"]["candidates"]]
    return [choice["text"] if "text" in choice else choice["message"]["content"] for choice in answer["choices"]]


def streamed(client: httpx.Client, path: str, body: dict[str, Any]) -> list[str]:
    """The same of a stream."""
    pieces: dict[int, str] = {}
    for sent in events_of(client, path, body):
        if sent.event == "search.result":
            return texts(sent.data)
        for choice in sent.data["choices"] if sent.event == "message" and sent.data != "[DONE]" else ():
            text = choice["text"] if "text" in choice else choice["delta"].get("content") or ""
            pieces[choice["index"]] = pieces.get(choice["index"], "") + text
    return [pieces[index] for index in sorted(pieces)]


@pytest.fixture(scope="module")
def wanted(lm: ramify.LM) -> dict[str, list[str]]:
    """What Python says, one request after another."""
    answers = {name: lm.search(prompt, method, **options) for name, (prompt, method, options) in ASKED.items()}
    return {name: [candidate.text for candidate in answer.candidates] for name, answer in answers.items()}


@pytest.fixture(scope="module")
def builtin() -> Iterator[ramify.LM]:
    """The built-in model, without a draft."""
    with ramify.load(mode="exact", kv_gib=0.05) as loaded:
        yield loaded


@pytest.fixture(scope="module", params=["roomy", "tight"])
def server(request: pytest.FixtureRequest, folders: Path, settings: Settings) -> Iterator[Served]:
    """One with room for all, and one where branches must give their pages up for others'."""
    if request.param == "roomy":
        yield request.getfixturevalue("served")
    else:
        with serve(folders / "writer", settings, kv_gib=0.002, row_budget=48) as tight:
            yield tight


@pytest.mark.parametrize("name", ASKED)
def test_alone(name: str, server: Served, wanted: dict[str, list[str]]) -> None:
    path, body = request(server.model, *ASKED[name])
    with server.http() as client:
        assert texts(client.post(path, json=body).json()) == wanted[name]
        assert streamed(client, path, body) == wanted[name]


MATHS = "Compute (12 + 9) * 4 - 30."
DRAFTED: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "plain": (MATHS, "sample", {"seed": 1, "max_tokens": 32, "n": 3}),
    "chat": ([{"role": "user", "content": MATHS}], "sample", {"seed": 2, "max_tokens": 32}),
    "best of": (MATHS, "best-of-n", {"seed": 3, "max_tokens": 32, "n": 3, "reward": "builtin-prm"}),
}


@pytest.mark.parametrize("name", DRAFTED)
def test_drafts_do_not_change_a_text(name: str, drafting: Served, builtin: ramify.LM) -> None:
    """The server drafts, Python does not."""
    prompt, method, options = DRAFTED[name]
    path, body = request(drafting.model, *DRAFTED[name])
    result = builtin.search(prompt, method, **options)
    with drafting.http() as client:
        answer = client.post(path, json=body).json()
        assert texts(answer) == streamed(client, path, body) == [candidate.text for candidate in result.candidates]
    assert answer["usage"]["completion_tokens_details"]["accepted_prediction_tokens"] > 0


def test_in_company(server: Served, served: Served, wanted: dict[str, list[str]]) -> None:
    """While 32 others plainly ask, search, stream, and go away in the middle."""
    with noise(server, OTHERS) as most, ThreadPoolExecutor(len(ASKED)) as pool, server.http() as client:
        bodies = {name: request(server.model, *asked) for name, asked in ASKED.items()}
        whole = {name: pool.submit(client.post, path, json=body) for name, (path, body) in bodies.items()}
        pieces = {name: pool.submit(streamed, client, path, body) for name, (path, body) in [*bodies.items()][::2]}
        answers = {name: answer.result().json() for name, answer in whole.items()}
        assert {name: texts(answer) for name, answer in answers.items()} == wanted
        assert {name: answer.result() for name, answer in pieces.items()} == {name: wanted[name] for name in pieces}
    assert max(most) >= 10
    recomputed = [answer["search"]["ledger"]["recomputed_tokens"] for answer in answers.values() if "search" in answer]
    assert any(recomputed) == (server is not served)  # only where memory is short
    wait_for(server.idle)


@contextmanager
def noise(server: Served, clients: int) -> Iterator[list[int]]:
    """So many clients who ask one thing after another; the list has how many were served at a time."""
    over, seen = threading.Event(), [0]
    threads = [threading.Thread(target=_ask_on, args=(server, i, over, seen)) for i in range(clients)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: max(seen) >= 10)
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _ask_on(server: Served, client: int, over: threading.Event, seen: list[int]) -> None:
    dice = Random(client)
    with server.http() as http:
        while not over.is_set():
            path, body = request(server.model, *ASKED[dice.choice([*ASKED])])
            body |= {"seed": dice.randrange(10**6), "max_tokens": dice.randint(1, 30)}
            seen.append(server.service.status().running)
            if client % 4 == 0:
                _abandon(http, path, body, dice.randint(0, 6))
            elif client % 4 == 1:
                streamed(http, path, body)
            else:
                assert http.post(path, json=body).status_code == 200


def _abandon(http: httpx.Client, path: str, body: dict[str, Any], lines: int) -> None:
    """Read so many lines of a stream, or wait a moment for a whole answer, and go."""
    if lines % 2:
        with http.stream("POST", path, json=body | {"stream": True}) as answer:
            for _, _ in zip(range(lines), answer.iter_lines(), strict=False):
                pass
    else:
        with suppress(httpx.ReadTimeout):
            http.post(path, json=body, timeout=httpx.Timeout(60.0, read=0.02 * (lines + 1)))
