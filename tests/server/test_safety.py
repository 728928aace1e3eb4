"""What a stranger may send: bodies that are none, far too much, other people's names, no key, and going away."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from ramify.server import gate
from ramify.server.settings import Settings
from tests.server.conftest import KEYS, NAME
from tests.server.serving import Served, serve

PATHS = ("/v1/completions", "/v1/chat/completions")
JSON = {"content-type": "application/json"}
CHAT = [{"role": "user", "content": "hello"}]


def plain(**fields: Any) -> dict[str, Any]:
    return {"model": NAME, "prompt": "hello", "max_tokens": 2} | fields


def send(server: Served, body: bytes | Iterator[bytes], path: str = PATHS[0], **headers: str) -> httpx.Response:
    with server.http() as client:
        return client.post(path, content=body, headers=JSON | headers)


def error(answer: httpx.Response) -> dict[str, Any]:
    told = answer.json()["error"]
    assert set(told) == {"message", "type", "param", "code"}
    assert isinstance(told, dict) and told["message"]
    return told


class Idle:
    """A service that takes no work: whatever reaches it fails the test."""

    def __init__(self, server: Served, patch: pytest.MonkeyPatch) -> None:
        self.asked = list[str]()
        for name in ("submit", "call"):
            patch.setattr(server.service, name, lambda *args, name=name, **options: self.asked.append(name))


@pytest.fixture
def idle(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing may be handed to the engine."""
    service = Idle(served, monkeypatch)
    yield
    assert not service.asked


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"model": "polyglot", "prompt": "hel',
    "text": b"hello",
    "a list": b"[]",
    "a number": b"3",
    "null": b"null",
    "NaN": b'{"model": "polyglot", "prompt": "a", "temperature": NaN}',
    "Infinity": b'{"model": "polyglot", "prompt": "a", "temperature": Infinity}',
    "-Infinity": b'{"model": "polyglot", "prompt": "a", "logit_bias": {"5": -Infinity}}',
    "1e999": b'{"model": "polyglot", "prompt": "a", "temperature": 1e999}',
    "an endless integer": b'{"model": "polyglot", "prompt": "a", "seed": ' + b"9" * 5000 + b"}",
    "no utf-8": b'{"model": "polyglot", "prompt": "\xff\xfe"}',
    "deep lists": b'{"model": "polyglot", "prompt": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "deep objects": b'{"a":' * 9000 + b"1" + b"}" * 9000,
    "deep and unfinished": b"[" * 60_000,
    "a text of escapes without an end": b'"' + b'\\"' * 30_000,
    "brackets in texts": b'{"model": "polyglot", "prompt": 3, "x": "' + b"[" * 50_000 + b'"}',
    "half a surrogate pair in a name": b'{"model": "\\ud800", "prompt": "a"}',
    "half a surrogate pair in a field": b'{"model": "polyglot", "prompt": "a", "\\ud800": 1}',
    "half a surrogate pair in a method": b'{"model": "polyglot", "prompt": "a", "search": {"method": "\\udfff"}}',
}


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("path", [*PATHS, "/v1/score", "/tokenize", "/detokenize"])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_body_that_is_none_is_refused_at_once(path: str, body: bytes, served: Served) -> None:
    began = monotonic()
    answer = send(served, body, path)
    assert answer.status_code == 400
    assert error(answer)["type"] == "invalid_request_error"
    assert monotonic() - began < 5


HALF = "a\ud800"
HALVES: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": HALF},
    "stop": {"stop": HALF},
    "bad_words": {"bad_words": [HALF]},
    "user": {"user": HALF},
    "key of a bias": {"logit_bias": {HALF: 1}},
    "step": {"search": {"method": "beam", "reward": "scorer", "step": HALF}},
    "option": {"search": {"method": "sample", HALF: 1}},
}


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("fields", HALVES.values(), ids=HALVES)
def test_half_a_surrogate_pair_is_no_text(fields: dict[str, Any], served: Served) -> None:
    answer = send(served, json.dumps(plain() | fields).encode())
    assert answer.status_code == 400
    assert error(answer)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
def test_another_content_type(kind: str, served: Served) -> None:
    answer = send(served, json.dumps(plain()).encode(), **{"content-type": kind})
    assert answer.status_code == 415
    assert error(answer)["code"] == "unsupported_media_type"


def test_json_with_a_charset_is_json(served: Served) -> None:
    body = json.dumps(plain()).encode()
    assert send(served, body, **{"content-type": "Application/JSON; charset=utf-8"}).status_code == 200


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_too_large(chunked: bool, served: Served) -> None:
    """Whether its length is told beforehand or not, no more than the limit is read."""
    most = served.settings.limits.max_body_bytes
    body = json.dumps(plain(prompt="a" * most)).encode()
    pieces = (body[i : i + 5000] for i in range(0, len(body), 5000))
    answer = send(served, pieces if chunked else body)
    assert answer.status_code == 413
    assert str(most) in error(answer)["message"]


FAR_TOO_MUCH: dict[str, tuple[dict[str, Any], str]] = {
    "n": ({"n": 10**9}, "n"),
    "best_of": ({"best_of": 10**9}, "best_of"),
    "beam_width": ({"beam_width": 10**9}, "beam_width"),
    "max_tokens": ({"max_tokens": 10**9}, "max_tokens"),
    "max_tokens beyond 64 bits": ({"max_tokens": 10**30}, "max_tokens"),
    "logprobs": ({"logprobs": 10**9}, "logprobs"),
    "prompt_logprobs": ({"prompt_logprobs": 10**9}, "prompt_logprobs"),
    "echoed logprobs": ({"logprobs": 10**9, "echo": True}, "logprobs"),
    "prompts": ({"prompt": ["a"] * 10_000}, "prompt"),
    "prompts of ids": ({"prompt": [[5]] * 10_000}, "prompt"),
    "stop": ({"stop": ["a"] * 10_000}, "stop"),
    "stop of one": ({"stop": "a" * 60_000}, "stop"),
    "stop_token_ids": ({"stop_token_ids": [5] * 10_000}, "stop_token_ids"),
    "bad_words": ({"bad_words": ["a"] * 10_000}, "bad_words"),
    "logit_bias": ({"logit_bias": {str(i): 1 for i in range(5000)}}, "logit_bias"),
    "search.n": ({"search": {"method": "sample", "n": 10**9}}, "search.n"),
    "search.width": ({"search": {"method": "token-beam-search", "width": 10**9}}, "search"),
    "n in the method's name": ({"search": {"method": "best-of-n(n=1000000000)", "reward": "logprob"}}, "search"),
    "n in the model's name": ({"model": f"{NAME}:sample(n=1000000000)"}, ""),
    "n of n": ({"search": {"method": "majority-vote(each=sample(n=32))", "n": 32}}, "search"),
    "search.budget": ({"search": {"method": "sample", "budget": {"tokens": 10**12}}}, "search.budget.tokens"),
    "search.budget.seconds": ({"search": {"method": "sample", "budget": {"seconds": 1e12}}}, "search.budget.seconds"),
}


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fields", "param"), FAR_TOO_MUCH.values(), ids=FAR_TOO_MUCH)
def test_far_too_much_is_refused_before_any_work(
    fields: dict[str, Any], param: str, stream: bool, served: Served
) -> None:
    answer = served.post(PATHS[0], plain(stream=stream) | fields)
    assert answer.status_code == 400
    assert (error(answer)["param"] or "").startswith(param)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(
    "fields", [{"messages": CHAT * 600}, {"messages": CHAT, "logprobs": True, "top_logprobs": 10**9}], ids=str
)
def test_far_too_much_of_a_chat(fields: dict[str, Any], served: Served) -> None:
    assert served.post(PATHS[1], {"model": NAME, "max_tokens": 2} | fields).status_code == 400


KEYED: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"authorization": ""},
    "no scheme": {"authorization": KEYS[0]},
    "another scheme": {"authorization": f"Digest {KEYS[0]}"},
    "a beginning": {"authorization": f"Bearer {KEYS[0][:-1]}"},
    "both": {"authorization": f"Bearer {KEYS[0]}{KEYS[1]}"},
    "basic, as the name": {"authorization": "Basic " + base64.b64encode(f"{KEYS[0]}:".encode()).decode()},
    "basic, broken": {"authorization": "Basic %%%"},
    "bytes": {"authorization": "Bearer \xff\xfe"},
    "another header": {"x-api-key": KEYS[0]},
}


def routes(server: Served) -> list[tuple[str, str]]:
    """Every path and verb, whatever its parameters are called."""
    found, waiting = list[tuple[str, str]](), list(server.app.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(getattr(route, "original_router", None), "routes", None) or getattr(route, "routes", None)
        if inner:
            waiting += inner
        elif isinstance(route, APIRoute) or hasattr(route, "methods"):
            path = "/".join("x" if part.startswith("{") else part for part in route.path.split("/"))
            found += [(verb, path) for verb in route.methods or ()]
    return sorted(set(found))


@pytest.mark.parametrize("headers", KEYED.values(), ids=KEYED)
def test_every_route_but_health_wants_the_key(headers: dict[str, str], locked: Served) -> None:
    found = routes(locked)
    assert len(found) >= 13 and {("GET", "/"), ("GET", "/metrics"), ("GET", "/openapi.json")} <= set(found)
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    with locked.http() as client:
        for verb, path in [*found, ("GET", "/no/such/path"), ("POST", "/healthz/"), ("GET", "//healthz")]:
            answer = client.request(verb, path, json={}, headers=raw)
            assert (answer.status_code == 401) == (path != "/healthz"), (verb, path)
            assert path == "/healthz" or answer.headers["www-authenticate"] == 'Bearer, Basic realm="ramify"'


def test_the_key_is_looked_at_before_the_body(locked: Served) -> None:
    assert send(locked, b"[" * 60_000).status_code == 401


def test_a_browsers_key(locked: Served) -> None:
    with locked.http(auth=("anybody", KEYS[0])) as client:
        assert client.get("/").status_code == client.get("/v1/models").status_code == 200


def test_keys_are_compared_in_constant_time(locked: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, whole, however early one fits."""
    compared, real = list[bytes](), gate.hmac.compare_digest

    def compare(given: bytes, known: bytes) -> bool:
        compared.append(known)
        return bool(real(given, known))

    monkeypatch.setattr(gate.hmac, "compare_digest", compare)
    for key in (KEYS[0], KEYS[1], "neither"):
        compared.clear()
        with locked.http(headers={"authorization": f"Bearer {key}"}) as client:
            client.get("/v1/models")
        assert compared == [key.encode() for key in KEYS]


def test_each_key_has_its_own_prefixes(locked: Served) -> None:
    """What one has read is read again for the other: neither the time nor the account tells of it."""
    body = plain(prompt="The thin hell of the other theory. " * 5, search={"method": "greedy"})

    def read(key: str) -> int:
        answer = locked.post(PATHS[0], body, headers={"authorization": f"Bearer {key}"}).json()
        return int(answer["search"]["ledger"]["models"]["target"]["tokens"])

    first, again, other, other_again = (read(key) for key in (KEYS[0], KEYS[0], KEYS[1], KEYS[1]))
    assert other == first
    assert again == other_again < first / 2


@pytest.fixture(scope="module")
def local(folders: Path) -> Iterator[Served]:
    """A server for its own machine alone."""
    with serve(folders / "writer", Settings(model=NAME, local=True)) as server:
        yield server


UPWARDS = (
    "/playground/../gate.py",
    "/playground/%2e%2e/gate.py",
    "/playground/..%2fgate.py",
    "/%2e%2e/%2e%2e/etc/passwd",
)


@pytest.mark.parametrize("path", UPWARDS)
def test_no_other_file_is_served(path: str, served: Served) -> None:
    with served.http() as client:
        answer = client.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_the_page_runs_nothing_of_what_models_write(served: Served) -> None:
    """The policy forbids script that is not ours, and text that becomes markup."""
    with served.http() as client:
        page = client.get("/")
    rules = page.headers["content-security-policy"]
    assert "default-src 'self'" in rules and "require-trusted-types-for 'script'" in rules and "unsafe" not in rules
    assert page.headers["x-content-type-options"] == "nosniff"


def test_other_pages_may_not_ask(served: Served) -> None:
    """A browser lets a page of another origin neither send JSON nor read the answer."""
    asked = {"origin": "http://elsewhere.example", "access-control-request-method": "POST"}
    with served.http() as client:
        for answer in (client.options(PATHS[0], headers=asked), client.get("/v1/models", headers=asked)):
            assert "access-control-allow-origin" not in answer.headers


HOSTS = {"127.0.0.1:80": True, "localhost": True, "[::1]:80": True, "rebound.example": False, "127.0.0.1.a": False}


@pytest.mark.parametrize(("host", "let_in"), HOSTS.items())
def test_a_local_server_answers_to_no_other_name(host: str, let_in: bool, local: Served) -> None:
    """A page whose name was made to point at this machine is refused."""
    with local.http() as client:
        assert client.get("/v1/models", headers={"host": host}).status_code == (200 if let_in else 400)
