"""Answers as they come: a search's events as server-sent events, and the chosen text in OpenAI's chunks.

What happens on the engine's thread is put on a queue of the event loop; whoever reads the stream takes it from there.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ramify.api import Ticket, Tokenizer
from ramify.core.events import Event
from ramify.core.results import Candidate, Result
from ramify.core.types import TokenLogprob
from ramify.server.answers import FINISH, Head, chosen, entries, legacy_body, search_of, stop_reason, usage
from ramify.server.errors import refused
from ramify.server.wishes import Wish

ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
HERE = "\0the text stands here\0"
DONE = b"data: [DONE]\n\n"
GONE = -1  # in a prompt's place: the client went away
Item = tuple[int, Event | None]  # (prompt, what happened; None: it is over)


def sse(body: Any, event: str | None = None) -> bytes:
    """One server-sent event. JSON has no line breaks of its own, so that one line of data is enough."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {ENCODER.encode(body)}\n\n".encode()


@dataclass
class Stream:
    """One streamed answer.

    Args:
        queue: what happens, put there from the engine's thread.
        tickets: one a prompt, in their order.
        prompts: the tokens of each.
        gone: done when the client went away.
    """

    head: Head
    wish: Wish
    queue: "asyncio.Queue[Item]"
    tickets: Sequence[Ticket]
    prompts: Sequence[Sequence[int]]
    codec: Tokenizer
    gone: "asyncio.Task[None]"

    def __post_init__(self) -> None:
        self.results: list[Result | None] = [None] * len(self.tickets)
        self.error: Exception | None = None
        self._told: dict[int, int] = {}  # choice -> characters of it that were sent
        self._begun: set[int] = set()
        self._frames: dict[int, tuple[bytes, bytes]] = {}  # choice -> what stands around the text of its pieces
        self._streams: dict[int, Any] = {}  # choice -> the text of its tokens so far
        self._written: dict[int, int] = {}  # choice -> characters of that

    async def pieces(self, first: Item) -> AsyncIterator[bytes]:
        """The bytes of the stream, to its end; `first` was taken from the queue already."""
        left, item = len(self.tickets), first
        try:
            while True:
                i, event = item
                if i == GONE or self.gone.done():  # what still stands in the queue is for nobody
                    return
                if event is None:
                    left -= 1
                    self.results[i] = self.tickets[i].future.result()
                for piece in self._last(i) if event is None else self._event(i, event):
                    yield piece
                if not left:
                    break
                item = await self.queue.get()
            if self.wish.include_usage:
                total = usage(self.wish, [r for r in self.results if r is not None], self.prompts)
                yield sse(self.head.of(self.head.chunk, choices=[], usage=total))
            yield DONE
        except Exception as error:
            self.error = error
            yield sse(refused(error).body)

    def _event(self, i: int, event: Event) -> Iterator[bytes]:
        if self.wish.search is not None:
            yield sse(self.head.of(self.head.chunk, choices=[], search=_told(event, i)), f"search.{event.kind}")
        elif self.wish.method == "sample" and event.kind in ("advance", "end"):
            index = i * self.wish.choices + event.branch
            if event.tokens or event.text:
                yield from self._begin(index, i)
                yield self._delta(index, event)

    def _delta(self, index: int, event: Event) -> bytes:
        """A piece of a choice's text. Most often only the text differs from the last piece's: the rest is kept."""
        if self.wish.logprobs is not None or self.wish.return_ids:
            return sse(self._chunk(index, event.text, None, event))
        if index not in self._frames:
            told = self._told.get(index, 0)
            before, after = sse(self._chunk(index, HERE, None, event)).split(ENCODER.encode(HERE).encode())
            self._frames[index], self._told[index] = (before, after), told
        self._told[index] += len(event.text)
        before, after = self._frames[index]
        return before + ENCODER.encode(event.text).encode() + after

    def _last(self, i: int) -> Iterator[bytes]:
        """What stands at the end of a prompt's choices: the text that was not sent yet, and why it ended."""
        result = self.results[i]
        assert result is not None
        if self.wish.search is not None:
            found = search_of(result, self.wish, self.codec) | {"prompt": i}
            yield sse(self.head.of(self.head.chunk, choices=[], search=found), "search.result")
        for j, candidate in enumerate(chosen(result, self.wish)):
            index = i * self.wish.choices + j
            yield from self._begin(index, i)
            rest = candidate.text[self._told.get(index, 0) :]
            if rest and (self.wish.search is not None or self.wish.method != "sample"):
                yield sse(self._whole(index, candidate, rest))
            reason = stop_reason(candidate, self.wish, self.prompts[i], self.codec)
            yield sse(self._chunk(index, "", FINISH[candidate.stopped_because], stop_reason=reason))

    def _begin(self, index: int, i: int) -> Iterator[bytes]:
        if index in self._begun:
            return
        self._begun.add(index)
        if self.wish.chat:
            first = {"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
            yield sse(self.head.of(self.head.chunk, choices=[first | {"logprobs": None}]))
        elif self.wish.echo:
            yield sse(self._chunk(index, self.codec.decode(self.prompts[i]), None))

    def _whole(self, index: int, candidate: Candidate, text: str) -> dict[str, Any]:
        """A text at once, with all that belongs to it."""
        logprobs = self._logprobs(index, candidate.token_ids, candidate.logprobs)
        body = self._chunk(index, text, None)
        first = body["choices"][0]
        first["logprobs"] = logprobs
        if self.wish.return_ids:
            first["token_ids"] = list(candidate.token_ids)
        return body

    def _chunk(
        self,
        index: int,
        text: str,
        finish: str | None,
        event: Event | None = None,
        *,
        stop_reason: str | int | None = None,
    ) -> dict[str, Any]:
        told: dict[str, Any] = {"index": index, "finish_reason": finish, "logprobs": None}
        if event is not None:
            told["logprobs"] = self._logprobs(index, event.tokens, event.logprobs)
        if finish is not None:
            told["stop_reason"] = stop_reason
        if self.wish.chat:
            told["delta"] = {"content": text} if finish is None else {}
        else:
            told["text"] = text
        if event is not None and self.wish.return_ids:
            told |= {"token_ids": list(event.tokens), "drafted": list(event.drafted)}
        self._told[index] = self._told.get(index, 0) + len(text)
        return self.head.of(self.head.chunk, choices=[told])

    def _logprobs(self, index: int, ids: Sequence[int], known: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        """Of the tokens that come next in a choice."""
        if self.wish.logprobs is None or not known:
            return None
        if self.wish.chat:
            return {"content": entries(known, self.wish.logprobs, self.codec)}
        stream, at = self._offsets(index), []
        for token in ids:
            at.append(self._written[index])
            self._written[index] += len(stream.push(token))
        return legacy_body(ids, known, self.wish.logprobs, self.codec, at)

    def _offsets(self, index: int) -> Any:
        """Where a choice's tokens stand in its text."""
        if index not in self._streams:
            prompt = self.prompts[index // self.wish.choices]
            self._streams[index] = self.codec.stream(prompt)
            self._written[index] = len(self.codec.decode(prompt)) if self.wish.echo else 0
        return self._streams[index]


def _told(event: Event, prompt: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "kind": event.kind,
        "prompt": prompt,
        "branch": event.branch,
        "parent": event.parent,
        "at": event.at,
        "tokens": list(event.tokens),
        "drafted": list(event.drafted),
        "text": event.text,
        "reason": event.reason,
    }
    score = event.score
    return body | {"score": score if score is not None and abs(score) < float("inf") else None}
