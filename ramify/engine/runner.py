"""What an engine wants of a model's numbers, and the decoder's answer to it.

    R rows, D hidden width, V vocabulary

A runner owns tensors and pages' contents, never their bookkeeping. The enumerable toy is another runner under the
same engine, so the laws that are proved on the toy are proved of the engine's own code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ramify.core.types import WHOLE, Mixture, Skip
from ramify.kv.pages import Copy
from ramify.model.config import DecoderConfig as DecoderConfig
from ramify.model.rolling import Rolling as Rolling  # toys name it from here


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens of one branch: `start` tokens are stored already; `pages` has slots for all.

    `parents` () makes them consecutive. Otherwise they are the last nodes of a tree that stands behind the stored text:
    `parents` names every node's (-1: the text's end), and node i is kept in the slot of position start + i until
    `Runner.move` brings a path of them into line. `mixtures` names (row, what is read there instead of its token).
    """

    tokens: Sequence[int]
    start: int
    pages: Sequence[int]
    parents: Sequence[int] = ()
    mixtures: Sequence[tuple[int, Mixture]] = ()


@dataclass(frozen=True)
class Costs:
    """FLOPs of reading one row, of one row looking at one earlier position, of one row of logits."""

    row: float
    context: float
    logits: float


class Runner(Protocol):
    """The numbers of one model. Laws: a hidden row depends on its own branch's tokens alone; chunks do not matter."""

    vocab_size: int
    num_layers: int
    max_positions: int
    num_pages: int
    page_size: int
    page_bytes: int
    costs: Costs
    config: DecoderConfig | None  # of a decoder; a toy has none
    rolling: Rolling | None  # reads and draws by itself, if it is small enough for that to pay

    def forward(self, chunks: Sequence[Chunk], skip: Skip = WHOLE) -> Tensor:
        """Store the chunks' keys and values; hidden rows of all their tokens in order, [R, D].

        Without the halves of layers in `skip`: what it stores then is good for such passes only.
        """

    def logits(self, hidden_RD: Tensor) -> Tensor:
        """Next-token logits, [R, V] in fp32 or fp64."""

    def values(self, hidden_RD: Tensor) -> Tensor:
        """A reward model's value of each row, [R]."""

    def copy(self, copies: Sequence[Copy]) -> None:
        """Carry out copies of pages, before anything is written."""

    def move(self, pages: Sequence[int], from_: Sequence[int], to: Sequence[int]) -> None:
        """Bring what a table's slots of positions `from_` hold to those of positions `to`, all at once."""
