"""Draws that are prescribed, and codecs whose tokens are awkward: for tests of what follows from a drawn token."""

from collections.abc import Mapping, Sequence

from ramify.core.protocols import Codec
from ramify.core.types import Branch
from ramify.engine.draws import Draw
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.maths.law import Law
from ramify.toy.model import ToyModel
from ramify.toy.runner import ToyRunner


def scripted(*tokens: int) -> Draw:
    """Every branch draws these tokens, one after another."""
    return lambda law, branches: [tokens[b.num_generated] for b in branches]


def scripted_apart(scripts: Mapping[int, Sequence[int]]) -> Draw:
    """The branch of each id draws its own tokens."""

    def draw(law: Law, branches: Sequence[Branch]) -> list[int]:
        return [scripts[b.id][b.num_generated] for b in branches]

    return draw


class Words:
    """A codec whose tokens are whole texts; the last one ends."""

    begin_id = None

    def __init__(self, *words: str) -> None:
        self.words = words
        self.end_ids = frozenset({len(words) - 1})

    def encode(self, text: str, add_begin: bool = True) -> list[int]:
        """The token that is this text."""
        return [self.words.index(text)] if text in self.words else []

    def encode_after(self, text: str) -> list[int]:
        """The same."""
        return self.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Texts one after another."""
        return "".join(self.words[i] for i in ids if i not in self.end_ids)

    def continuation(self, context: Sequence[int], ids: Sequence[int]) -> str:
        """The same."""
        return self.decode(ids)


class Bytes:
    """A codec whose tokens are bytes: most characters of the world are several tokens."""

    begin_id, end_ids = None, frozenset[int]()

    def encode(self, text: str, add_begin: bool = True) -> list[int]:
        """UTF-8."""
        return list(text.encode())

    def encode_after(self, text: str) -> list[int]:
        """UTF-8."""
        return self.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """UTF-8, with replacement characters for what is none."""
        return bytes(ids).decode(errors="replace")

    def continuation(self, context: Sequence[int], ids: Sequence[int]) -> str:
        """The same."""
        return self.decode(ids)


def engine_of(codec: Codec, draw: Draw, *, size: int = 0, max_positions: int = 512) -> Engine:
    """A toy target that speaks through a codec and draws as it is told."""
    size = len(codec.words) if isinstance(codec, Words) else size or 256
    return Engine(
        Model("target", ToyRunner(ToyModel(size), num_pages=512, max_positions=max_positions), codec), draw=draw
    )
