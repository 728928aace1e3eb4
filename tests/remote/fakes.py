"""A server with OpenAI's interface over the enumerable toy: a letter is a token, and its law is known exactly.

It has the manners of real servers as switches (what it ignores, what it leaves out, how it streams), and faults on
demand. `Direct` calls it without HTTP, for enumerations; `transport` puts it behind httpx.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from ramify.core.ledger import ServerAccount
from ramify.core.random import root_address, uniform
from ramify.remote.calls import Failed, Taker
from ramify.toy.model import END, ToyCodec, ToyModel

Choose = Callable[[Sequence[float], int, int], int]  # (masses, seed, position) -> outcome
Fault = Callable[[Mapping[str, Any]], httpx.Response | None]  # instead of an answer; None: answer after all
NEVER_SENT = -1


def seeded(masses: Sequence[float], seed: int, position: int) -> int:
    """The inverse distribution function at a number that belongs to the seed and the position."""
    u, total = uniform(root_address(seed), position), 0.0
    for outcome, mass in enumerate(masses):
        total += mass
        if u < total:
            return outcome
    return max(i for i, mass in enumerate(masses) if mass > 0)


@dataclass
class ToyServer:
    """Its switches: what real servers do, or fail to do.

    ids, logprobs, streams, usage   whether it gives these
    n           "derived" (seed + i for choice i), "ignored", "same"
    seeds       "honoured", or "ignored": every request draws from the next seed of its own
    piece       tokens of one event of a stream
    holds       characters that a stream holds back until more come
    end_counts  whether its tokens include the end token
    chat_only   no /v1/completions
    pause       seconds between two events of a stream
    """

    ids: bool = True
    logprobs: bool = True
    streams: bool = True
    usage: bool = True
    n: str = "derived"
    seeds: str = "honoured"
    piece: int = 1
    holds: int = 0
    end_counts: bool = True
    chat_only: bool = False
    constant: bool = False
    continues: bool = False
    owner: str = "vllm"
    context: int = 64
    pause: float = 0.0
    model: ToyModel = field(default_factory=ToyModel)
    choose: Choose = seeded
    faults: list[Fault] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    drawn: int = 0  # tokens, whether anybody read them or not

    def __post_init__(self) -> None:
        self.codec, self._next = ToyCodec(self.model.vocab_size), 0

    def prompt_of(self, body: Mapping[str, Any]) -> list[int]:
        """The tokens that a request goes on from."""
        if "messages" in body:
            return self.codec.encode("".join(message["content"] for message in body["messages"]))
        prompt = body["prompt"]
        return self.codec.encode(prompt) if isinstance(prompt, str) else list(prompt)

    def text_after(self, prompt: Sequence[int], body: Mapping[str, Any], seed: int) -> Iterator[tuple[int, float]]:
        """Tokens with their log-probabilities, the end token included."""
        temperature, tokens = body.get("temperature", 1.0), list(prompt)
        for _ in range(min(body["max_tokens"], self.context - len(prompt))):
            weights = self.model.weights(tokens).tolist()
            raw = [math.log(w / sum(weights)) for w in weights]
            powered = [0.0 if temperature == 0 else w ** (1 / temperature) for w in weights]
            masses = [p / sum(powered) for p in powered] if temperature else [float(w == max(weights)) for w in weights]
            if temperature == 0:  # the first of equals
                masses = [float(i == weights.index(max(weights))) for i in range(len(weights))]
            token = self.choose(masses, 0 if self.constant else seed, len(tokens))
            self.drawn += 1
            yield token, raw[token]
            if token == END and not body.get("ignore_eos"):
                return
            tokens.append(token)

    def choice(self, index: int, body: Mapping[str, Any], chat: bool) -> dict[str, Any]:
        """One choice of a whole answer."""
        pairs = list(self.text_after(self.prompt_of(body), body, self._seed(body, index)))
        return self._choice(index, pairs, body, chat)

    def _choice(self, index: int, pairs: Sequence[tuple[int, float]], body: Mapping[str, Any], chat: bool) -> Any:
        tokens = [token for token, _ in pairs]
        text, ended = self.codec.decode(tokens), bool(tokens) and tokens[-1] == END
        cut = min((text.find(stop) for stop in body.get("stop") or () if stop in text), default=NEVER_SENT)
        if cut >= 0:
            tokens, text, ended = tokens[: cut + 1], text[:cut], True
        finish = "stop" if ended else "length"
        told = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        return {"index": index, "finish_reason": finish} | told | self._details(pairs[: len(tokens)], body, chat)

    def _details(self, pairs: Sequence[tuple[int, float]], body: Mapping[str, Any], chat: bool) -> dict[str, Any]:
        if not self.end_counts:
            pairs = [pair for pair in pairs if pair[0] != END]
        details: dict[str, Any] = {"logprobs": None}
        if self.ids and body.get("return_token_ids"):
            details["token_ids"] = [token for token, _ in pairs]
        if self.logprobs and body.get("logprobs"):
            texts = [self.codec.decode([token]) for token, _ in pairs]
            if chat:
                entries = [
                    {"token": t, "logprob": p, "top_logprobs": []} for t, (_, p) in zip(texts, pairs, strict=True)
                ]
                details["logprobs"] = {"content": entries}
            else:
                details["logprobs"] = {"tokens": texts, "token_logprobs": [p for _, p in pairs], "top_logprobs": None}
        return details

    def _seed(self, body: Mapping[str, Any], index: int) -> int:
        if self.seeds == "ignored":
            self._next += 1
            return self._next
        return int(body.get("seed", 0)) + (index if self.n == "derived" else 0)

    def answer(self, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and JSON of a whole answer."""
        self.seen.append({"path": path, **body})
        match path.rsplit("/v1/", 1)[-1].lstrip("/"):
            case "models":
                return 200, {"data": [{"id": "toy", "owned_by": self.owner, "max_model_len": self.context}]}
            case "tokenize" if self.ids:
                text = body.get("prompt", "") or "".join(m["content"] for m in body.get("messages", ()))
                return 200, {"tokens": self.codec.encode(text)}
            case "detokenize" if self.ids:
                return 200, {"prompt": self._spelled(body["tokens"])}
            case "methods" if self.owner == "ramify":
                return 200, {"rewards": ["length"]}
            case "score" if self.owner == "ramify":
                rows = [{"index": i, "score": float(len(text))} for i, text in enumerate(body["completions"])]
                return 200, {"data": rows, "usage": {"prompt_tokens": 5 * len(rows), "completion_tokens": 0}}
            case "completions" | "chat/completions" as kind if kind != "completions" or not self.chat_only:
                return 200, self._completion(body, kind != "completions")
        return 404, {"error": {"message": f"no {path} here"}}

    def _spelled(self, tokens: Sequence[int]) -> str:
        return PROBED if tokens == self.codec.encode(PROBED) else self.codec.decode(tokens)

    def _completion(self, body: Mapping[str, Any], chat: bool) -> dict[str, Any]:
        count = 1 if self.n == "ignored" else body.get("n", 1)
        choices = [self.choice(i, body, chat) for i in range(count)]
        texts = [choice["message"]["content"] if chat else choice["text"] for choice in choices]
        sizes = [len(choice.get("token_ids") or text) for choice, text in zip(choices, texts, strict=True)]
        usage = {"prompt_tokens": len(self.prompt_of(body)), "completion_tokens": sum(sizes)}
        return {"choices": choices} | ({"usage": usage} if self.usage else {})

    def events(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of a stream; tokens are drawn as somebody reads."""
        self.seen.append({"path": path, **body})
        chat, held, sent, count = "chat" in path, list[tuple[int, float]](), 0, 0
        pairs, tokens = list[tuple[int, float]](), self.text_after(self.prompt_of(body), body, self._seed(body, 0))
        for pair in tokens:
            pairs.append(pair)
            held.append(pair)
            count += 1
            text = self.codec.decode([token for token, _ in pairs])
            if any(stop in text for stop in body.get("stop") or ()):
                break
            if len(held) >= self.piece:
                upto = max(sent, len(text) - self.holds)
                yield self._event(text[sent:upto], held, body, chat)
                sent, held = upto, []
        last = self._choice(0, pairs, body, chat)
        text = last["message"]["content"] if chat else last["text"]
        if held or text[sent:]:
            yield self._event(text[sent:], held, body, chat)
        end = {"index": 0, "finish_reason": last["finish_reason"]} | ({"delta": {}} if chat else {"text": ""})
        yield {"choices": [end]}
        if self.usage and (body.get("stream_options") or {}).get("include_usage"):
            usage = {"prompt_tokens": len(self.prompt_of(body)), "completion_tokens": count}
            yield {"choices": [], "usage": usage}

    def _event(self, text: str, held: Sequence[tuple[int, float]], body: Mapping[str, Any], chat: bool) -> Any:
        told: dict[str, Any] = {"delta": {"content": text}} if chat else {"text": text}
        return {"choices": [{"index": 0, "finish_reason": None} | told | self._details(held, body, chat)]}

    def transport(self) -> httpx.MockTransport:
        """The same behind httpx; faults come first, one a request."""

        async def handle(request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0)
            body = json.loads(request.content) if request.content else {}
            if self.faults and "models" not in request.url.path:
                instead = self.faults.pop(0)(body)
                if instead is not None:
                    return instead
            if body.get("stream"):
                if not self.streams:
                    return httpx.Response(400, json={"error": {"message": "no streams here"}})
                return httpx.Response(200, content=_sse(self.events(request.url.path, body), self.pause))
            status, answer = self.answer(request.url.path, body)
            return httpx.Response(status, json=answer)

        return httpx.MockTransport(handle)


PROBED = "Once upon a time"


async def _sse(events: Iterator[dict[str, Any]], pause: float) -> AsyncIterator[bytes]:
    for event in events:
        yield f"data: {json.dumps(event)}\n\n".encode()
        await asyncio.sleep(pause)
    yield b"data: [DONE]\n\n"


class Direct:
    """`calls.Caller` without HTTP and without waiting: requests are answered in the order in which they are made."""

    def __init__(self, toy: ToyServer) -> None:
        self.toy = toy

    async def get(self, path: str, account: ServerAccount, *, retries: int | None = None) -> Any:
        """The JSON of an answer."""
        return self.toy.answer(path, {})[1]

    async def post(
        self, path: str, body: Mapping[str, Any], account: ServerAccount, read: Any, *, retries: int | None = None
    ) -> Any:
        """What `read` makes of it."""
        account.requests += 1
        return read(self.toy.answer(path.removeprefix(".."), body)[1])

    async def stream(
        self, path: str, body: Mapping[str, Any], account: ServerAccount, begin: Callable[[], Taker]
    ) -> None:
        """Event by event."""
        account.requests += 1
        taker = begin()
        for event in self.toy.events(path, body):
            if not taker.take(event):
                return
        if not taker.is_whole():
            raise Failed("the stream broke off")

    async def close(self) -> None:
        """Nothing to do."""
