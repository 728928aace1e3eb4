"""What a server answers, read with care: a whole answer and the events of a stream are pieces alike.

A piece is a stretch of text with, as far as the server tells, the tokens that it is made of. Pieces joined are the
text; what cannot be read is a failure that the next try may not have, never an empty text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ramify.core.errors import RemoteError
from ramify.remote.calls import Failed, Json

ENDS = {
    "stop": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
}  # what servers call the end of a text
Segment = tuple[int, str]  # tokens, and the text that they write


@dataclass(frozen=True)
class Piece:
    """A stretch of one choice. What the server does not tell is None.

    ids, tokens     the ids and the texts of its tokens         logprobs    of each (natural logarithm)
    tops            the likeliest alternatives of each: text -> log-probability
    finish          "stop" or "length" where the text ends
    """

    text: str
    ids: tuple[int, ...] | None = None
    tokens: tuple[str, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    tops: tuple[Mapping[str, float], ...] | None = None
    finish: str | None = None

    @property
    def count(self) -> int | None:
        """How many tokens it is made of, if that can be told."""
        known = self.tokens if self.ids is None else self.ids
        return None if known is None else len(known)


@dataclass(frozen=True)
class Usage:
    """A server's count of tokens."""

    prompt: int
    completion: int
    cached: int = 0


@dataclass
class Drawn:
    """One choice as far as it came. `met` says that a marker is in it, `cut` that there was no more time.

    `usage` is the server's count for this choice alone, `read` its count of what stood before it.
    """

    pieces: list[Piece] = field(default_factory=list)
    usage: Usage | None = None
    read: int | None = None
    met: bool = False
    cut: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(piece.text for piece in self.pieces)

    @property
    def finish(self) -> str | None:
        """Why the server ended it."""
        return self.pieces[-1].finish if self.pieces else None

    @property
    def ids(self) -> list[int] | None:
        """Its tokens' ids."""
        if any(piece.ids is None and piece.text for piece in self.pieces):
            return None
        return [token for piece in self.pieces for token in piece.ids or ()]

    @property
    def logprobs(self) -> list[float]:
        """Of its tokens, as far as they were told."""
        return [logprob for piece in self.pieces for logprob in piece.logprobs or ()]

    @property
    def tops(self) -> list[Mapping[str, float]]:
        """Alternatives of its tokens, as far as they were told."""
        return [top for piece in self.pieces for top in piece.tops or ()]

    def segments(self, asked: int) -> list[Segment]:
        """Its text in stretches of known numbers of tokens, as short as can be, `asked` tokens at most.

        A piece whose tokens nobody tells is one token: servers stream token by token. What the server counts beside
        those belongs to the last stretch; so does all that was asked for where a text ends at its length uncounted.
        """
        found = [segment for piece in self.pieces for segment in _segments(piece)]
        if any(piece.count is None and piece.text for piece in self.pieces):
            seen = sum(count for count, _ in found)
            total = self.usage.completion if self.usage is not None and not self.met else seen
            if self.usage is None and self.finish == "length":
                total = asked
            if found and total > seen:
                found[-1] = (found[-1][0] + total - seen, found[-1][1])
        return _within(found, asked)


def _segments(piece: Piece) -> list[Segment]:
    count = piece.count
    if count is None:
        return [(1, piece.text)] if piece.text else []
    if piece.tokens is not None and len(piece.tokens) == count and "".join(piece.tokens).startswith(piece.text):
        left, parts = len(piece.text), list[Segment]()
        for text in piece.tokens:  # the text of a token that holds a stop text ends before it
            parts.append((1, text[:left]))
            left = max(0, left - len(text))
        return parts
    return [(count, piece.text)] if count or piece.text else []


def _within(segments: Sequence[Segment], most: int) -> list[Segment]:
    """The same text in `most` tokens: some servers draw a few more than they were asked for."""
    kept, left = list[Segment](), most
    for count, text in segments:
        if count <= left or not kept:
            kept.append((min(count, left), text))
            left -= kept[-1][0]
        else:
            kept[-1] = (kept[-1][0] + left, kept[-1][1] + text)
            left = 0
    return kept


def read_answer(body: Any, chat: bool, n: int) -> list[Drawn]:
    """The choices of a whole answer, `n` at most, in their order.

    Raises:
        Failed: it is no such answer.
    """
    choices = sorted(_choices(body), key=lambda choice: choice.get("index", 0))
    if not choices:
        raise Failed("an answer without choices")
    drawn = [Drawn([_piece(choice, choice.get("message") if chat else choice, chat)]) for choice in choices[:n]]
    for each in drawn:
        if each.finish is None:
            raise Failed("a text that does not say why it ends", crowded=True)
    usage = read_usage(body)
    for each in drawn:
        each.usage, each.read = usage if len(drawn) == 1 else None, None if usage is None else usage.prompt
    return drawn


def read_event(body: Json, chat: bool) -> Piece | None:
    """The piece of an event; None for those that carry none (a role, the usage).

    Raises:
        Failed: it is no such event.
    """
    choices = _choices(body)
    if not choices:
        return None
    return _piece(choices[0], choices[0].get("delta") if chat else choices[0], chat)


def read_usage(body: Any) -> Usage | None:
    """The server's count of tokens, if it gives one."""
    usage = body.get("usage") if isinstance(body, Mapping) else None
    if not isinstance(usage, Mapping):
        return None
    details = usage.get("prompt_tokens_details")
    counts = [usage.get("prompt_tokens"), usage.get("completion_tokens", 0)]
    counts.append(details.get("cached_tokens") or 0 if isinstance(details, Mapping) else 0)
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        return None
    return Usage(*counts)


def _choices(body: Any) -> list[Mapping[str, Any]]:
    choices = body.get("choices") if isinstance(body, Mapping) else None
    if not isinstance(choices, list) or not all(isinstance(choice, Mapping) for choice in choices):
        raise Failed(f"an answer without choices: {str(body)[:80]!r}")
    return choices


def _piece(choice: Mapping[str, Any], told: Any, chat: bool) -> Piece:
    told = {} if told is None else told
    if not isinstance(told, Mapping):
        raise Failed(f"a choice without a text: {str(choice)[:80]!r}")
    text = told.get("content" if chat else "text")
    if text is not None and not isinstance(text, str):
        raise Failed(f"a text that is none: {text!r}")
    reason = choice.get("finish_reason")
    if reason is not None and reason not in ENDS:
        raise RemoteError(f"the server ended a text with {reason!r}: what it left out would bias the search")
    ids = choice.get("token_ids")
    if ids is not None and not (isinstance(ids, list) and all(isinstance(token, int) for token in ids)):
        raise Failed(f"token ids that are none: {str(ids)[:80]}")
    tokens, logprobs, tops = _logprobs(choice.get("logprobs"), chat)
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        raise Failed(f"{len(logprobs)} log-probabilities for {len(ids)} tokens")
    known = None if ids is None else tuple(ids)
    return Piece(text or "", known, tokens, logprobs, tops, None if reason is None else ENDS[reason])


def _logprobs(
    told: Any, chat: bool
) -> tuple[tuple[str, ...] | None, tuple[float, ...] | None, tuple[Mapping[str, float], ...] | None]:
    """Texts, log-probabilities and alternatives of tokens, as completions or as chats have them."""
    if not isinstance(told, Mapping):
        return None, None, None
    try:
        if chat:
            entries = told.get("content") or []
            tokens, logprobs = [e["token"] for e in entries], [float(e["logprob"]) for e in entries]
            tops = [{t["token"]: float(t["logprob"]) for t in e.get("top_logprobs") or []} for e in entries]
        else:
            tokens = list(told["tokens"])
            logprobs = [float(logprob) for logprob in told["token_logprobs"]]
            tops = [dict(top or {}) for top in told.get("top_logprobs") or [{}] * len(tokens)]
    except (KeyError, TypeError, ValueError) as error:
        raise Failed(f"log-probabilities that cannot be read: {str(told)[:80]}") from error
    if not len(tokens) == len(logprobs) == len(tops) or not all(isinstance(token, str) for token in tokens):
        raise Failed(f"log-probabilities that cannot be read: {str(told)[:80]}")
    return tuple(tokens), tuple(logprobs), tuple(tops)
