"""What a server can do is found out, declared, or refused by name."""

from typing import Any

import httpx
import pytest

import ramify
from ramify.core.errors import BadInput, Incompatible, RemoteError, UnknownName
from tests.remote.conftest import Meet
from tests.remote.fakes import ToyServer


def test_a_server_that_can_do_everything(meet: Meet) -> None:
    able = meet(ToyServer()).capabilities
    assert able.model == "toy" and able.kind == "vllm" and able.context == 64
    assert able.ids and able.logprobs and able.streams and able.stream_usage and able.seeds and able.varied
    assert able.choices > 1 and able.completions and able.fields["top_k"] == "top_k"


LACKS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"ids": False}, {"ids": False}),
    ({"logprobs": False}, {"logprobs": False}),
    ({"streams": False}, {"streams": False, "stream_usage": False}),
    ({"usage": False}, {"stream_usage": False}),
    ({"n": "ignored"}, {"choices": 1}),
    ({"n": "same"}, {"choices": 1}),
    ({"seeds": "ignored"}, {"seeds": False, "varied": True}),
    ({"constant": True}, {"varied": False, "choices": 1}),
    ({"chat_only": True, "ids": False}, {"completions": False, "chat": True}),
    ({"owner": "somebody"}, {"kind": "openai", "fields": {}}),
    ({"owner": "ramify"}, {"kind": "ramify", "rewards": ("length",)}),
]


@pytest.mark.parametrize(("switches", "found"), LACKS, ids=str)
def test_what_a_server_lacks_is_found(meet: Meet, switches: dict[str, Any], found: dict[str, Any]) -> None:
    able = meet(ToyServer(**switches)).capabilities
    assert {name: getattr(able, name) for name in found} == found


def test_what_is_declared_is_not_asked_for() -> None:
    toy = ToyServer()
    facts = {"ids": False, "logprobs": True, "choices": 4, "completions": True, "chat": False, "seeds": True}
    facts |= {"varied": True, "streams": True, "stream_usage": False, "rewards": (), "kind": "openai"}
    with ramify.connect("http://toy/v1", "toy", transport=toy.transport(), fields={}, context=99, **facts) as remote:
        assert toy.seen == []
        assert {name: getattr(remote.capabilities, name) for name in facts} == facts
        assert remote.capabilities.context == 99


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"tokenids": True}, UnknownName, "tokenids"),
    ({"kind": "vlm"}, UnknownName, "vllm"),
    ({"ids": "yes"}, BadInput, "ids"),
    ({"context": 0}, BadInput, "context"),
    ({"completion_price": float("nan")}, BadInput, "completion_price"),
    ({"concurrency": 0}, BadInput, "concurrency"),
    ({"rate": 0.0}, BadInput, "rate"),
    ({"model": "other"}, UnknownName, "toy"),
]


@pytest.mark.parametrize(("declared", "error", "names"), WRONG, ids=str)
def test_wrong_declarations(meet: Meet, declared: dict[str, Any], error: type[Exception], names: str) -> None:
    with pytest.raises(error, match=names):
        meet(ToyServer(), **declared)


@pytest.mark.parametrize("address", ["toy/v1", "ftp://toy/v1", "", "http://"])
def test_wrong_addresses(address: str) -> None:
    with pytest.raises(BadInput, match="base_url"):
        ramify.connect(address)


def test_nobody_there() -> None:
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1:9"):
        ramify.connect("http://127.0.0.1:9/v1", retries=1, backoff=0.001)


def test_a_server_that_draws_nothing_is_quoted(meet: Meet) -> None:
    toy = ToyServer()
    toy.faults = [lambda body: httpx.Response(400, json={"error": {"message": "no temperature here"}})] * 20
    with pytest.raises(RemoteError, match=r"neither completions nor chats .*no temperature here"):
        meet(toy)


def test_one_text_whatever_the_seed_is_refused_before_it_is_drawn(meet: Meet) -> None:
    toy = ToyServer(constant=True, ids=False)
    remote = meet(toy)
    with pytest.raises(Incompatible, match="4 different texts"):
        remote.search("aba", "best-of-n", n=4, reward=lambda p, t: 1.0, max_tokens=5)
    assert toy.drawn == 0
    assert remote.search("aba", "sample", n=1, max_tokens=5).candidates
    assert len(remote.search("aba", "sample", n=3, temperature=0.0, max_tokens=5).candidates) == 3
