"""An enumerable language model: a table from the last tokens to exact next-token weights.

The law of every text is known in closed form, so what an algorithm claims to sample can be checked by going through all
outcomes (`toy.enumerate`) instead of by sampling. The weights are asymmetric on purpose: a symmetric target cannot
see a flipped sign.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

END = 0  # the toy's end token


@dataclass(frozen=True)
class ToyModel:
    """A Markov model of order `order` over `vocab_size` tokens, token 0 being the end.

    `sharpness` spreads the weights; `salt` makes another model of the same shape (a draft, a reward).
    """

    vocab_size: int = 3
    order: int = 2
    salt: int = 0
    sharpness: int = 7

    def weights(self, context: Sequence[int]) -> Tensor:
        """Unnormalised next-token weights after a context, small whole numbers, fp64 [V]."""
        state = self.salt * 2654435761 % 1000003
        for token in [self.vocab_size] * (self.order - len(context)) + list(context[-self.order :]):
            state = (state * 31 + token * 17 + 7) % 1000003
        return torch.tensor(
            [1.0 + (state * (7 * t + 3) // 5 + t * t) % self.sharpness for t in range(self.vocab_size)],
            dtype=torch.float64,
        )

    def logits(self, context: Sequence[int]) -> Tensor:
        """Next-token logits after a context, fp64 [V]."""
        return self.weights(context).log()

    def value(self, context: Sequence[int]) -> float:
        """A reward model's value of a context: bounded, asymmetric, different for almost all contexts."""
        weights = self.weights(context)
        return float(weights[-1] - weights[0]) / self.sharpness + len(context) / 64


class ToyCodec:
    """One character a token: "." ends, letters are the others. `begin` says whether there is a begin token."""

    def __init__(self, vocab_size: int, begin: int | None = None) -> None:
        self.vocab_size, self._begin = vocab_size, begin

    @property
    def end_ids(self) -> frozenset[int]:
        """The end token alone."""
        return frozenset({END})

    @property
    def begin_id(self) -> int | None:
        """As given."""
        return self._begin

    def encode(self, text: str, add_begin: bool = True) -> list[int]:
        """Letters to tokens; others wrap around the vocabulary."""
        ids = [END if char == "." else 1 + (ord(char) - ord("a")) % (self.vocab_size - 1) for char in text]
        return [self._begin, *ids] if add_begin and self._begin is not None else ids

    def encode_after(self, text: str) -> list[int]:
        """Letters are the same everywhere."""
        return self.encode(text, add_begin=False)

    def continuation(self, context: Sequence[int], ids: Sequence[int]) -> str:
        """Letters are the same everywhere."""
        return self.decode(ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Tokens to letters; the end token has no text."""
        return "".join(chr(ord("a") + token - 1) for token in ids if token != END)
