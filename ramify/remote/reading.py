"""Taking a stream's events until the text ends, a marker is met, or time is up.

A marker must be told from an end of the text, and its text must not be lost. `stop` fields do neither: the text they
end on is cut off, and the reason is "stop" both times. So a step is read as a stream, and the stream is hung up behind
the piece that completes the marker. All that was seen is kept; an end of the text says so itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ramify.remote.answers import Drawn, read_event, read_usage
from ramify.remote.calls import Json


@dataclass
class Reading:
    """One try of one stream (`calls.Taker`).

    Args:
        markers: texts any of which ends the reading.
        counted: whether the server sends the count of tokens behind the text's end.
    """

    chat: bool
    markers: Sequence[str] = ()
    counted: bool = False
    drawn: Drawn = field(default_factory=Drawn)

    def take(self, event: Json) -> bool:
        """Take one event; whether more are wanted."""
        if (usage := read_usage(event)) is not None:
            self.drawn.usage, self.drawn.read = usage, usage.prompt
        if self.drawn.finish is None and (piece := read_event(event, self.chat)) is not None:
            self.drawn.pieces.append(piece)
            self.drawn.met = meets(self.drawn.text, self.markers)
        if self.drawn.finish is not None:
            return self.counted and self.drawn.usage is None
        return not self.drawn.met

    def is_whole(self) -> bool:
        """Whether the text came to its end."""
        return self.drawn.finish is not None


def meets(text: str, markers: Sequence[str]) -> bool:
    """Whether a text holds one of the markers."""
    return any(marker in text for marker in markers)


def cut_behind(drawn: Drawn, markers: Sequence[str]) -> Drawn | None:
    """A whole answer as far as the token that completes a marker; None where nobody knows where its tokens end.

    For servers that do not stream: what they drew behind the marker is thrown away.
    """
    if not meets(drawn.text, markers):
        return drawn
    [piece] = drawn.pieces
    if piece.tokens is None or not "".join(piece.tokens).startswith(piece.text):
        return None
    end = next(i for i in range(1, len(piece.tokens) + 1) if meets("".join(piece.tokens[:i]), markers))
    if end == len(piece.tokens):
        return drawn
    kept = type(piece)(
        "".join(piece.tokens[:end]),
        None if piece.ids is None else piece.ids[:end],
        piece.tokens[:end],
        None if piece.logprobs is None else piece.logprobs[:end],
        None if piece.tops is None else piece.tops[:end],
    )
    return Drawn([kept], drawn.usage, met=True)
