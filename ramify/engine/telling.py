"""The text of a branch as far as it can be told while more of it comes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ramify.core.protocols import Codec

BROKEN = "\ufffd"  # what the beginning of a character looks like


class Stream(Protocol):
    """Tokens to text, one by one."""

    def push(self, token: int) -> str:
        """The text that has become certain with this token."""


@runtime_checkable
class Streaming(Protocol):
    """A codec that decodes token by token."""

    def stream(self, context: Sequence[int] = ()) -> Stream:
        """What comes behind `context`."""


class Telling:
    """Told so far: `text`. `held` is certain as well, but may be the beginning of a stop text.

    Law: `text` is the beginning of what `text_of` will say, whatever comes (unless a stop text was appended, and not
    drawn).

    Args:
        prompt: the tokens that the text stands behind.
        stops: the stop texts.
    """

    def __init__(self, codec: Codec, prompt: Sequence[int], stops: Sequence[str]) -> None:
        self._codec, self._prompt, self._stops = codec, prompt, stops
        self._tokens = list[int]()  # that were pushed
        self._pieces, self.held = list[str](), ""
        self._stream = codec.stream(prompt) if isinstance(codec, Streaming) else None

    @property
    def text(self) -> str:
        """All that was told."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def push(self, tokens: Sequence[int]) -> str:
        """What can be told now that these tokens have come."""
        if not tokens:
            return ""
        certain = self.held + self._decoded(tokens)
        self._tokens += tokens
        held = _held(certain, self._stops)
        piece, self.held = certain[: len(certain) - held], certain[len(certain) - held :]
        self._pieces.append(piece)
        return piece

    def close(self, text: str) -> str | None:
        """The rest of what turned out to be the text; None if it does not go on from what was told."""
        told = self.text
        self._pieces, self.held = [text], ""
        return text[len(told) :] if text.startswith(told) else None

    def twin(self) -> "Telling":
        """What a fork begins with: it stands where this one stands."""
        twin = Telling(self._codec, self._prompt, self._stops)
        twin._tokens, twin._pieces, twin.held = self._tokens.copy(), [self.text], self.held
        if isinstance(self._codec, Streaming):
            twin._stream = self._codec.stream([*self._prompt, *self._tokens])
        return twin

    def _decoded(self, tokens: Sequence[int]) -> str:
        if self._stream is not None:
            return "".join([self._stream.push(token) for token in tokens])
        known = len(self.text) + len(self.held)
        return self._codec.continuation(self._prompt, [*self._tokens, *tokens]).rstrip(BROKEN)[known:]


def _held(text: str, stops: Sequence[str]) -> int:
    """How many of the last characters may be the beginning of a stop text."""
    longest = max(map(len, stops), default=1) - 1
    return next((n for n in range(min(longest, len(text)), 0, -1) if any(s.startswith(text[-n:]) for s in stops)), 0)
