"""The toy behind the engine: its pages hold tokens, and it reads every context back through the page table.

A wrong slot, a missing copy or a page given to two branches therefore changes the toy's law, and the laws see it.
Hidden rows are the logits with the value appended: [R, V + 1], fp64.

A mixture is kept in a slot as a token is. The toy is linear in it: behind a text with mixtures the law (and the value)
is the weighted mean of those behind all texts that the mixtures may stand for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import prod

import torch
from torch import Tensor

from ramify.core.types import WHOLE, Mixture, Skip
from ramify.engine.model import Model, Scores
from ramify.engine.runner import Chunk, Costs, DecoderConfig, Rolling
from ramify.kv.pages import Copy
from ramify.toy.model import ToyCodec, ToyModel

EMPTY = -1


class ToyRunner:
    """A `ToyModel` over pages of `page_size` slots."""

    def __init__(self, model: ToyModel, num_pages: int = 64, page_size: int = 2, max_positions: int = 32) -> None:
        self.model, self.vocab_size, self.max_positions = model, model.vocab_size, max_positions
        self.num_pages, self.page_size, self.page_bytes = num_pages, page_size, page_size
        self.costs = Costs(row=1.0, context=0.0, logits=1.0)
        self.rolling: Rolling | None = None
        self.config: DecoderConfig | None = None
        self.num_layers = 1
        self.slots: list[int | Mixture] = [EMPTY] * (num_pages * page_size)

    def forward(self, chunks: Sequence[Chunk], skip: Skip = WHOLE) -> Tensor:
        """Store every chunk, then read each row's context back from the slots; without its layer it is another toy."""
        model = replace(self.model, salt=self.model.salt + 1) if skip else self.model
        for chunk in chunks:
            first = chunk.start + max(0, len(chunk.parents) - len(chunk.tokens))
            for position, token in enumerate(chunk.tokens, first):
                self.slots[self._slot(chunk, position)] = token
            for row, mixture in chunk.mixtures:
                self.slots[self._slot(chunk, first + row)] = mixture
        return torch.stack([self._hidden(model, chunk, seen) for chunk in chunks for seen in _seen(chunk)])

    def logits(self, hidden_RD: Tensor) -> Tensor:
        """The logits' part of the hidden rows."""
        return hidden_RD[:, : self.vocab_size]

    def values(self, hidden_RD: Tensor) -> Tensor:
        """The value's part of the hidden rows."""
        return hidden_RD[:, self.vocab_size]

    def copy(self, copies: Sequence[Copy]) -> None:
        """Copy slots; what is not copied is not to be read."""
        for copy in copies:
            source, target = copy.src * self.page_size, copy.dst * self.page_size
            self.slots[target : target + self.page_size] = [EMPTY] * self.page_size
            self.slots[target : target + copy.count] = self.slots[source : source + copy.count]

    def move(self, pages: Sequence[int], from_: Sequence[int], to: Sequence[int]) -> None:
        """Move tokens; what is read twice was not brought into line."""
        chunk = Chunk((), 0, pages)
        tokens = [self.slots[self._slot(chunk, position)] for position in from_]
        for position, token in zip(to, tokens, strict=True):
            self.slots[self._slot(chunk, position)] = token

    def _slot(self, chunk: Chunk, position: int) -> int:
        return chunk.pages[position // self.page_size] * self.page_size + position % self.page_size

    def _hidden(self, model: ToyModel, chunk: Chunk, seen: Sequence[int]) -> Tensor:
        kept = [self.slots[self._slot(chunk, at)] for at in seen]
        if all(isinstance(each, int) for each in kept[-model.order :]):
            return _row(model, [each if isinstance(each, int) else EMPTY for each in kept])
        choices = [((each, 1.0),) if isinstance(each, int) else each for each in kept[-model.order :]]
        mean = torch.zeros(self.vocab_size + 1, dtype=torch.float64)
        for ways in product(*choices):
            row = _row(model, [*[EMPTY] * (len(kept) - len(ways)), *(token for token, _ in ways)])
            row[:-1] = row[:-1].softmax(-1)
            mean += prod(weight for _, weight in ways) * row
        mean[:-1] = mean[:-1].log()
        return mean


def _row(model: ToyModel, context: Sequence[int]) -> Tensor:
    value = torch.tensor([model.value(context)], dtype=torch.float64)
    return torch.cat([model.logits(context), value])


def _seen(chunk: Chunk) -> Iterator[list[int]]:
    """Where what each row may look at is kept: the stored text, then the path that leads to the row."""
    parents = chunk.parents or [*range(-1, len(chunk.tokens) - 1)]
    for node in range(len(parents) - len(chunk.tokens), len(parents)):
        path = [node]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        yield [*range(chunk.start), *(chunk.start + at for at in reversed(path))]


def toy_model(
    role: str = "target", model: ToyModel | None = None, *, scores: Scores | bool = False, **sizes: int
) -> Model:
    """A toy behind the engine's `Model`; `sizes` are num_pages, page_size, max_positions."""
    model = model or ToyModel()
    return Model(role, ToyRunner(model, **sizes), ToyCodec(model.vocab_size, begin=1), scores=scores)
