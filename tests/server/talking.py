"""What the tests say to a server, and how they read what it answers."""

import asyncio
import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from openai import AsyncStream

KINDS = ("completions", "chat")


class Blocking:
    """An `AsyncOpenAI` that is called as an `OpenAI` is; a stream comes as the list of its chunks."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self._inner, self._runner = inner, runner

    def __getattr__(self, name: str) -> "Blocking":
        return Blocking(getattr(self._inner, name), self._runner)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._runner.run(_finished(self._inner(*args, **options)))


async def _finished(value: Any) -> Any:
    value = await value if inspect.isawaitable(value) else value
    return [chunk async for chunk in value] if isinstance(value, AsyncStream) else value


@dataclass(frozen=True)
class Talk:
    """A client of OpenAI's, and the model that it asks."""

    client: Any
    model: str

    def ask(self, kind: str, prompt: Any, extra: dict[str, Any] | None = None, **options: Any) -> Any:
        """One request; `extra` are fields that OpenAI's do not have."""
        options = {"model": self.model, "extra_body": extra} | options
        if kind == "completions":
            return self.client.completions.create(prompt=prompt, **options)
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return self.client.chat.completions.create(messages=messages, **options)

    def stream(self, kind: str, prompt: Any, extra: dict[str, Any] | None = None, **options: Any) -> list[Any]:
        """The chunks of one request."""
        return list(self.ask(kind, prompt, extra, stream=True, **options))


def text_of(choice: Any) -> str:
    """Of a choice, whole or a piece, of either endpoint."""
    if hasattr(choice, "text"):
        return str(choice.text)
    return str((choice.message if hasattr(choice, "message") else choice.delta).content or "")


def texts_of(answer: Any) -> list[str]:
    """Of all choices, in the order of their indexes."""
    return [text_of(choice) for choice in sorted(answer.choices, key=lambda choice: choice.index)]


def joined(chunks: Iterable[Any]) -> list[str]:
    """The texts that a stream's pieces make, by index."""
    texts: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            texts[choice.index] = texts.get(choice.index, "") + text_of(choice)
    return [texts[index] for index in sorted(texts)]


def finishes(chunks: Iterable[Any]) -> dict[int, list[str]]:
    """Every reason to finish that a stream told, by index."""
    told: dict[int, list[str]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            told.setdefault(choice.index, []).extend([choice.finish_reason] if choice.finish_reason else [])
    return told


@dataclass(frozen=True)
class Sent:
    """One server-sent event; `event` is "message" where it has no name."""

    event: str
    data: Any  # the JSON, or the text "[DONE]"


def sent_events(lines: Iterable[str]) -> Iterator[Sent]:
    """Read as the standard says: fields, and an empty line behind each event."""
    name, data = "message", list[str]()
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            name = value.strip()
        elif field == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            text = "\n".join(data)
            yield Sent(name, text if text == "[DONE]" else json.loads(text))
            name, data = "message", []
    assert not data, "the last event was not ended"


def events_of(client: httpx.Client, path: str, body: dict[str, Any]) -> list[Sent]:
    """All that a streamed request sends."""
    with client.stream("POST", path, json=body | {"stream": True}) as answer:
        answer.read() if answer.is_error else None
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(sent_events(answer.iter_lines()))


@dataclass
class Replay:
    """The tree that the events of a search tell of: what every branch has behind the prompt."""

    tokens: dict[int, list[int]]
    texts: dict[int, str]
    ends: dict[int, str]
    scores: dict[int, float]

    @classmethod
    def of(cls, events: Sequence[Sent]) -> "Replay":
        """From all events of a stream, those of the search alone being read."""
        replay = cls({}, {}, {}, {})
        for sent in events:
            if sent.event.startswith("search.") and sent.event != "search.result":
                assert sent.data["choices"] == []
                replay.take(sent.event.removeprefix("search."), sent.data["search"])
        return replay

    def take(self, kind: str, told: dict[str, Any]) -> None:
        """One event."""
        assert told["kind"] == kind
        branch, parent, at, new = told["branch"], told["parent"], told["at"], told["tokens"]
        if kind == "fork":
            assert branch not in self.tokens
            self.tokens[branch] = [] if parent is None else self.tokens[parent][:at]
        if kind == "rewind":
            self.tokens[branch] = self.tokens[branch][:at]
        if kind in ("advance", "end"):
            self.tokens[branch] += new
        assert len(self.tokens[branch]) == at, (kind, told)
        before = "" if kind in ("fork", "rewind") else self.texts[branch]
        self.texts[branch] = before + told["text"]
        if kind == "score":
            self.scores[branch] = told["score"]
        if kind in ("end", "drop"):
            self.ends[branch] = told["reason"]
