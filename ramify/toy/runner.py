"""The toy behind the engine: its pages hold tokens, and it reads every context back through the page table.

A wrong slot, a missing copy or a page given to two branches therefore changes the toy's law, and the laws see it.
Hidden rows are the logits with the value appended: [R, V + 1], fp64.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ramify.engine.model import Model
from ramify.engine.runner import Chunk, Costs
from ramify.kv.pages import Copy
from ramify.toy.model import ToyCodec, ToyModel

EMPTY = -1


class ToyRunner:
    """A `ToyModel` over pages of `page_size` slots."""

    def __init__(self, model: ToyModel, num_pages: int = 64, page_size: int = 2, max_positions: int = 32) -> None:
        self.model, self.vocab_size, self.max_positions = model, model.vocab_size, max_positions
        self.num_pages, self.page_size, self.page_bytes = num_pages, page_size, page_size
        self.costs = Costs(row=1.0, context=0.0, logits=1.0)
        self.slots = [EMPTY] * (num_pages * page_size)

    def forward(self, chunks: Sequence[Chunk]) -> Tensor:
        """Store every chunk, then read each row's context back from the slots."""
        for chunk in chunks:
            for position, token in enumerate(chunk.tokens, chunk.start):
                self.slots[self._slot(chunk, position)] = token
        rows = [self._hidden(chunk, chunk.start + i) for chunk in chunks for i in range(len(chunk.tokens))]
        return torch.stack(rows)

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

    def _slot(self, chunk: Chunk, position: int) -> int:
        return chunk.pages[position // self.page_size] * self.page_size + position % self.page_size

    def _hidden(self, chunk: Chunk, position: int) -> Tensor:
        context = [self.slots[self._slot(chunk, at)] for at in range(position + 1)]
        value = torch.tensor([self.model.value(context)], dtype=torch.float64)
        return torch.cat([self.model.logits(context), value])


def toy_model(role: str = "target", model: ToyModel | None = None, *, scores: bool = False, **sizes: int) -> Model:
    """A toy behind the engine's `Model`; `sizes` are num_pages, page_size, max_positions."""
    model = model or ToyModel()
    return Model(role, ToyRunner(model, **sizes), ToyCodec(model.vocab_size, begin=1), scores=scores)
