"""From results to OpenAI's objects: choices, log-probabilities in both shapes, usage, and what a search found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ramify.api import Tokenizer
from ramify.core.ledger import Ledger
from ramify.core.results import Candidate, Result
from ramify.core.types import TokenLogprob
from ramify.server.wishes import Wish

LOWEST = -9999.0  # JSON has no -inf; OpenAI writes this
ENDED = ("stop", "length", "budget")
FINISH = {"stop": "stop", "length": "length", "budget": "length", "rejected": "stop", "unfinished": "length"}


@dataclass(frozen=True)
class Head:
    """What all parts of one answer begin with."""

    id: str
    created: int
    model: str
    chat: bool

    def of(self, kind: str, **fields: Any) -> dict[str, Any]:
        """An object of this answer."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model} | fields

    @property
    def whole(self) -> str:
        """The kind of a whole answer."""
        return "chat.completion" if self.chat else "text_completion"

    @property
    def chunk(self) -> str:
        """The kind of a piece of a stream."""
        return "chat.completion.chunk" if self.chat else "text_completion"


def answer(
    head: Head, wish: Wish, results: Sequence[Result], prompts: Sequence[Sequence[int]], codec: Tokenizer
) -> Any:
    """The whole answer; `prompts` are the tokens of each prompt."""
    choices = []
    for i, (result, prompt) in enumerate(zip(results, prompts, strict=True)):
        for j, candidate in enumerate(chosen(result, wish)):
            choices.append(choice(i * wish.choices + j, candidate, wish, result, prompt, codec))
    body = head.of(head.whole, choices=choices, usage=usage(wish, results, prompts))
    if wish.search is not None:
        found = [search_of(result, wish, codec) for result in results]
        body["search"] = found[0] if len(found) == 1 else found
    return body


def chosen(result: Result, wish: Wish) -> list[Candidate]:
    """The candidates that are answered with, the best first where there is a best."""
    if wish.search is not None:
        return [result.best]
    if wish.method == "sample":
        return list(result.candidates)
    rest = [c for c in result.candidates if c is not result.best and c.stopped_because in ENDED]
    if result.best.score is not None:
        rest.sort(key=lambda c: -1e300 if c.score is None else c.score, reverse=True)
    return [result.best, *rest][: wish.choices]


def choice(
    index: int, candidate: Candidate, wish: Wish, result: Result, prompt: Sequence[int], codec: Tokenizer
) -> dict[str, Any]:
    """One choice of a whole answer."""
    body: dict[str, Any] = {"index": index, "finish_reason": FINISH[candidate.stopped_because]}
    body["stop_reason"] = stop_reason(candidate, wish, prompt, codec)
    if wish.chat:
        body["message"] = {"role": "assistant", "content": candidate.text, "refusal": None}
        logprobs = None if wish.logprobs is None else {"content": entries(candidate.logprobs, wish.logprobs, codec)}
    else:
        before = codec.decode(prompt) if wish.echo else ""
        body["text"] = before + candidate.text
        logprobs = None
        if wish.logprobs is not None:
            heard = list(result.prompt_logprobs) if wish.echo else []
            ids = [*(prompt if wish.echo else ()), *(entry.token for entry in candidate.logprobs)]
            known = [*heard, *candidate.logprobs]
            logprobs = legacy(ids, known, wish.logprobs, codec, () if wish.echo else prompt)
    body["logprobs"] = logprobs
    if wish.prompt_logprobs is not None:
        body["prompt_logprobs"] = [_ranked(entry, codec) for entry in result.prompt_logprobs]
    if wish.return_ids:
        body |= {"token_ids": list(candidate.token_ids), "prompt_token_ids": list(prompt)}
    return body


def stop_reason(candidate: Candidate, wish: Wish, prompt: Sequence[int], codec: Tokenizer) -> str | int | None:
    """The stop text or stop token that ended a text; None for the end token, and where it ended otherwise."""
    if candidate.stopped_because != "stop" or not candidate.token_ids:
        return None
    last = candidate.token_ids[-1]
    if last in wish.options.get("stop_token_ids", ()):
        return last
    after = codec.continuation(prompt, candidate.token_ids)[len(candidate.text) :]
    return next((text for text in wish.options.get("stop", ()) if after.startswith(text)), None)


def entries(logprobs: Sequence[TokenLogprob], top: int, codec: Tokenizer) -> list[dict[str, Any]]:
    """Log-probabilities as chats have them."""
    return [
        _entry(e.token, e.logprob, codec) | {"top_logprobs": [_entry(t, p, codec) for t, p in e.top[:top]]}
        for e in logprobs
    ]


def legacy(
    ids: Sequence[int],
    known: Sequence[TokenLogprob | None],
    top: int,
    codec: Tokenizer,
    before: Sequence[int],
    at: int = 0,
) -> dict[str, Any]:
    """Log-probabilities as completions have them; a prompt's first token has none.

    Args:
        before: tokens that stand before these. at: characters of the answer that do.
    """
    stream, offsets = codec.stream(before), []
    for token in ids:
        offsets.append(at)
        at += len(stream.push(token))
    return legacy_body(ids, known, top, codec, offsets)


def legacy_body(
    ids: Sequence[int], known: Sequence[TokenLogprob | None], top: int, codec: Tokenizer, offsets: Sequence[int]
) -> dict[str, Any]:
    """The four lists, one entry a token."""
    return {
        "tokens": [token_text(token, codec) for token in ids],
        "token_logprobs": [None if e is None else _finite(e.logprob) for e in known],
        "top_logprobs": [None if e is None else _top(e, top, codec) for e in known] if top else None,
        "text_offset": list(offsets),
    }


def _top(entry: TokenLogprob, top: int, codec: Tokenizer) -> dict[str, float]:
    """The likeliest by their text; the token itself is always there."""
    ranked = {token_text(token, codec): _finite(logprob) for token, logprob in reversed(entry.top[:top])}
    return ranked | {token_text(entry.token, codec): _finite(entry.logprob)}


def _ranked(entry: TokenLogprob | None, codec: Tokenizer) -> dict[str, Any] | None:
    """One token of a prompt, as vLLM has it: token id -> log-probability and text."""
    if entry is None:
        return None
    known = {str(t): {"logprob": _finite(p), "decoded_token": token_text(t, codec)} for t, p in entry.top}
    own = {"logprob": _finite(entry.logprob), "decoded_token": token_text(entry.token, codec)}
    return known | {str(entry.token): own}


def _entry(token: int, logprob: float, codec: Tokenizer) -> dict[str, Any]:
    written = codec.token_bytes(token)
    return {
        "token": token_text(token, codec),
        "logprob": _finite(logprob),
        "bytes": None if written is None else list(written),
    }


def token_text(token: int, codec: Tokenizer) -> str:
    """What a token writes, or its name if it is a special one; of a part of a character the bytes, as OpenAI has it."""
    written = codec.token_bytes(token)
    if written is None:
        return codec.tokens[token]
    try:
        return written.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in written)


def _finite(logprob: float) -> float:
    return max(logprob, LOWEST)


def usage(wish: Wish, results: Sequence[Result], prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Tokens of the request: each prompt once; of a search all that were drawn."""
    ledgers = [result.ledger for result in results]
    drawn = sum(ledger.generated_tokens for ledger in ledgers)
    read = sum(len(prompt) for prompt in prompts)
    accepted = sum(ledger.drafts.accepted for ledger in ledgers)
    rejected = sum(ledger.drafts.wasted for ledger in ledgers)
    details = {"accepted_prediction_tokens": accepted, "rejected_prediction_tokens": rejected}
    details |= {"reasoning_tokens": 0, "audio_tokens": 0}
    return {
        "prompt_tokens": read,
        "completion_tokens": drawn,
        "total_tokens": read + drawn,
        "completion_tokens_details": details,
    }


def search_of(result: Result, wish: Wish, codec: Tokenizer) -> dict[str, Any]:
    """All that a search found, and what it cost."""
    assert wish.search is not None
    candidates = [_candidate(i, c, wish) for i, c in enumerate(result.candidates)]
    best = next((i for i, c in enumerate(result.candidates) if c is result.best), None)
    found: dict[str, Any] = {
        "method": result.method,
        "seed": result.seed,
        "best": best,
        "candidates": candidates,
        "rounds": [dict(_plain(r)) for r in result.rounds],
        "log_evidence": _plain(result.log_evidence),
        "ledger": ledger_of(result.ledger),
    }
    if wish.search.trace:
        found["tree"] = [_plain(vars(branch)) for branch in result.tree]
    return found


def _candidate(index: int, c: Candidate, wish: Wish) -> dict[str, Any]:
    body = {"index": index, "text": c.text, "score": _plain(c.score), "tokens": c.tokens}
    body |= {"stopped_because": c.stopped_because, "answer": _plain(c.answer), "weight": _plain(c.weight)}
    return body | ({"token_ids": list(c.token_ids)} if wish.return_ids else {})


def ledger_of(ledger: Ledger) -> dict[str, Any]:
    """The account of a run."""
    body: dict[str, Any] = {
        name: getattr(ledger, name)
        for name in (
            "prompt_tokens", "generated_tokens", "reward_tokens", "draft_tokens", "recomputed_tokens", "flops",
            "seconds", "forks", "peak_kv_bytes", "kv_sharing", "block_efficiency",
        )
    }  # fmt: skip
    models = {
        role: {name: getattr(account, name) for name in ("kind", "tokens", "passes", "recomputed", "flops")}
        for role, account in ledger.models.items()
    }
    return body | {"drafted": ledger.drafts.drafted, "accepted": ledger.drafts.accepted, "models": models}


def _plain(value: Any) -> Any:
    """As JSON can hold it: fractions and the like as text, no number that is none."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None  # NaN compares false, too
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
