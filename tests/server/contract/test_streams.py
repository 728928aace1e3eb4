"""Streams of server-sent events: pieces, roles, ends, usage."""

from typing import Any

import pytest

from tests.server.serving import Served
from tests.server.talking import KINDS, Talk, events_of, finishes, joined, text_of, texts_of

PROMPT = "Привет, 世界 "
LONG = {"max_tokens": 16, "seed": 4, "extra": {"ignore_eos": True}}
PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
OBJECTS = {"completions": "text_completion", "chat": "chat.completion.chunk"}


def body_of(kind: str, model: str, **fields: Any) -> dict[str, Any]:
    asked = {"prompt": PROMPT} if kind == "completions" else {"messages": [{"role": "user", "content": PROMPT}]}
    return {"model": model, "max_tokens": 8, "seed": 4} | asked | fields


@pytest.mark.parametrize("kind", KINDS)
def test_chunks(kind: str, talk: Talk) -> None:
    chunks = talk.stream(kind, PROMPT, n=2, **LONG)
    assert {chunk.object for chunk in chunks} == {OBJECTS[kind]}
    assert len({chunk.id for chunk in chunks}) == len({chunk.created for chunk in chunks}) == 1
    assert {chunk.model for chunk in chunks} == {talk.model}
    assert {choice.index for chunk in chunks for choice in chunk.choices} == {0, 1}
    assert not any(chunk.usage for chunk in chunks)
    assert len(chunks) > 16


@pytest.mark.parametrize("kind", KINDS)
def test_each_choice_ends_once_and_last(kind: str, talk: Talk) -> None:
    chunks = talk.stream(kind, PROMPT, n=3, **LONG)
    assert finishes(chunks) == {index: ["length"] for index in range(3)}
    for index in range(3):
        own = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert own[-1].finish_reason == "length" and not any(choice.finish_reason for choice in own[:-1])


@pytest.mark.parametrize("n", [1, 3])
def test_a_chats_role_comes_first_and_once(n: int, talk: Talk) -> None:
    chunks = talk.stream("chat", PROMPT, n=n, **LONG)
    for index in range(n):
        deltas = [choice.delta for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert [delta.role for delta in deltas] == ["assistant"] + [None] * (len(deltas) - 1)
        assert not deltas[0].content
        assert not deltas[-1].content


@pytest.mark.parametrize("kind", KINDS)
def test_several_choices_come_side_by_side(kind: str, talk: Talk) -> None:
    order = [choice.index for chunk in talk.stream(kind, PROMPT, n=2, **LONG) for choice in chunk.choices]
    assert order.index(1) < len(order) - 1 - order[::-1].index(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 3])
def test_usage_is_the_last_chunk_if_asked_for(kind: str, n: int, talk: Talk) -> None:
    chunks = talk.stream(kind, PROMPT, n=n, stream_options={"include_usage": True}, **LONG)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == talk.ask(kind, PROMPT, n=n, **LONG).usage
    assert not any(chunk.usage for chunk in chunks[:-1])
    assert all(chunk.choices for chunk in chunks[:-1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_raw_stream(kind: str, served: Served) -> None:
    with served.http() as client:
        sent = events_of(client, PATHS[kind], body_of(kind, served.model, stream_options={"include_usage": True}))
    assert sent[-1].data == "[DONE]"
    assert {each.event for each in sent} == {"message"}
    assert [each.data for each in sent].count("[DONE]") == 1
    assert sent[-2].data["choices"] == [] and sent[-2].data["usage"]["completion_tokens"] <= 8


@pytest.mark.parametrize("kind", KINDS)
def test_headers_that_keep_proxies_from_holding_it_back(kind: str, served: Served) -> None:
    with (
        served.http() as client,
        client.stream("POST", PATHS[kind], json=body_of(kind, served.model, stream=True)) as answer,
    ):
        answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "no-cache" in answer.headers["cache-control"]


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_come_with_their_tokens(kind: str, talk: Talk) -> None:
    options = {"logprobs": 2} if kind == "completions" else {"logprobs": True, "top_logprobs": 2}
    (whole,) = talk.ask(kind, PROMPT, **options, **LONG).choices
    pieces = [c.logprobs for chunk in talk.stream(kind, PROMPT, **options, **LONG) for c in chunk.choices if c.logprobs]
    if kind == "chat":
        assert [entry for piece in pieces for entry in piece.content] == whole.logprobs.content
    else:
        for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
            assert [entry for piece in pieces for entry in getattr(piece, name)] == getattr(whole.logprobs, name)


@pytest.mark.parametrize("kind", KINDS)
def test_token_ids_come_with_their_pieces(kind: str, talk: Talk) -> None:
    asked = {"ignore_eos": True, "return_token_ids": True}
    options = {"max_tokens": 16, "seed": 4}
    whole = talk.ask(kind, PROMPT, asked, **options).choices[0].token_ids
    pieces = [choice for chunk in talk.stream(kind, PROMPT, asked, **options) for choice in chunk.choices]
    assert [token for piece in pieces for token in getattr(piece, "token_ids", None) or []] == whole


def test_an_echo_comes_before_the_text(talk: Talk) -> None:
    options = {"max_tokens": 6, "seed": 4, "echo": True}
    chunks = talk.stream("completions", PROMPT, **options)
    assert joined(chunks) == texts_of(talk.ask("completions", PROMPT, **options))
    assert text_of(next(choice for chunk in chunks for choice in chunk.choices)).startswith(PROMPT)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_ends_at_once(kind: str, talk: Talk, served: Served) -> None:
    (end,) = served.post("/tokenize", {"prompt": "<|im_end|>"}).json()["tokens"]
    chunks = talk.stream(kind, PROMPT, max_tokens=8, logit_bias={str(end): 100})
    assert joined(chunks) == [""]
    assert finishes(chunks) == {0: ["stop"]}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_is_said_before_a_stream_begins(kind: str, served: Served) -> None:
    with served.http() as client:
        answer = client.post(PATHS[kind], json=body_of(kind, served.model, stream=True, temperature=-1))
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "temperature"


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_may_be_left(kind: str, served: Served) -> None:
    """The client goes away in the middle; the next one is served."""
    body = body_of(kind, served.model, stream=True, max_tokens=200, ignore_eos=True)
    with served.http() as client:
        with client.stream("POST", PATHS[kind], json=body) as answer:
            assert next(answer.iter_lines()).startswith("data: ")
        assert client.post(PATHS[kind], json=body_of(kind, served.model)).status_code == 200
