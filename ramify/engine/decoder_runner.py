"""A decoder behind the engine: its pages, its way of computing, its costs.

R rows, D hidden width, V vocabulary
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ramify.core.errors import BadInput
from ramify.core.types import WHOLE, Skip
from ramify.engine.runner import Chunk, Costs
from ramify.kv.pages import Copy
from ramify.kv.store import PagedStore
from ramify.model.backends import Exact, compile_products, prepare
from ramify.model.checkpoint import Checkpoint, ValueHead
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Tap
from ramify.model.paged import Mode, attend_over
from ramify.model.plan import step_batch
from ramify.model.rolling import Rolling, can_roll


class DecoderRunner:
    """A checkpoint over `num_pages` pages.

    Args:
        mode: "reference" (plain, slow, judges the others), "fast", or "exact" (fp32; a row's bits do not depend on
            its neighbours, on chunking or on packing).
        share_prefixes: read pages that several branches share once for all of them (off to measure what it gains).
        preallocate: take the pages' memory now, not when they are first written.
        tap: sees the residual stream after every layer of every step.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        num_pages: int,
        page_size: int = 16,
        mode: Mode = "fast",
        share_prefixes: bool = True,
        preallocate: bool = False,
        tap: Tap | None = None,
    ) -> None:
        config, weight = checkpoint.decoder.config, checkpoint.decoder.embedding
        if mode == "exact" and weight.dtype != torch.float32:
            raise BadInput("dtype", f"exact mode computes in float32, not {weight.dtype}; load with dtype='float32'")
        self.decoder = prepare(checkpoint.decoder, mode)
        self._value = _value_of(checkpoint.head, mode)
        self.vocab_size, self.max_positions = config.vocab_size, config.max_positions
        self.config: DecoderConfig | None = config
        self.num_layers = config.num_layers
        self.num_pages, self.page_size, self.mode = num_pages, page_size, mode
        self.share_prefixes, self.tap = share_prefixes and mode == "fast", tap
        self.store = PagedStore(
            num_layers=config.num_layers,
            num_kv_heads=config.num_kv_heads,
            head_dim=config.head_dim,
            num_pages=num_pages,
            page_size=page_size,
            dtype=weight.dtype,
            device=weight.device,
            preallocate=preallocate,
        )
        self.page_bytes = self.store.bytes_per_page
        self.costs = costs_of(config)
        rolls = mode != "reference" and self.store.has_kernels and can_roll(self.decoder)
        self.rolling = Rolling(self.decoder, self.store) if rolls else None

    @torch.inference_mode()
    def forward(self, chunks: Sequence[Chunk], skip: Skip = WHOLE) -> Tensor:
        """One step over the chunks' rows."""
        batch = step_batch(
            [(chunk.tokens, chunk.start, chunk.pages) for chunk in chunks],
            self.page_size,
            share_prefixes=self.share_prefixes,
            trees={i: chunk.parents for i, chunk in enumerate(chunks) if chunk.parents},
            device=self.store.device,
        )
        attend = attend_over(self.store, batch, self.mode)
        mixtures = [
            (span.first_row + at, m) for span, c in zip(batch.spans, chunks, strict=True) for at, m in c.mixtures
        ]
        return self.decoder(  # type: ignore[no-any-return]
            batch.tokens_R, batch.positions_R, attend, self.tap, skip, mixtures
        )

    @torch.inference_mode()
    def warm_up(self, rows: int, seconds: float) -> None:
        """Compile products for steps of up to so many rows, few rows first, until so many seconds are over."""
        if self.mode == "fast" and self.store.has_kernels:
            compile_products(self.decoder, rows, seconds)

    @torch.inference_mode()
    def logits(self, hidden_RD: Tensor) -> Tensor:
        """fp32 [R, V]."""
        return self.decoder.logits(hidden_RD)

    @torch.inference_mode()
    def values(self, hidden_RD: Tensor) -> Tensor:
        """The value head's raw numbers, fp32 [R]."""
        assert self._value is not None
        return self._value(hidden_RD)

    @torch.inference_mode()
    def copy(self, copies: Sequence[Copy]) -> None:
        """Copy on write: whole pages at once where several are copied."""
        if len(copies) == 1:
            self.store.copy_page(copies[0].src, copies[0].dst, copies[0].count)
        elif copies:
            self.store.copy_pages([c.src for c in copies], [c.dst for c in copies])

    @torch.inference_mode()
    def move(self, pages: Sequence[int], from_: Sequence[int], to: Sequence[int]) -> None:
        """The accepted path of a tree, into line."""
        size = self.page_size
        self.store.move(
            [pages[p // size] * size + p % size for p in from_], [pages[p // size] * size + p % size for p in to]
        )


def _value_of(head: ValueHead | None, mode: Mode) -> Callable[[Tensor], Tensor] | None:
    if head is None or mode != "exact":
        return head
    # PyTorch promises no order of summation; this product does, whatever rows are beside
    product = Exact().prepare(head.weight.detach(), head.bias.detach())
    return lambda hidden_RD: product(hidden_RD)[:, 0]


def costs_of(config: DecoderConfig) -> Costs:
    """FLOPs by the products of the forward pass, a multiply-add counted as two; norms and activations are left out."""
    width, inner = config.hidden_size, config.intermediate_size
    q_width, kv_width = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    attention = width * (q_width + 2 * kv_width) + q_width * width
    mlp = 3 * width * inner * max(1, config.experts_per_token) + width * config.num_experts
    return Costs(
        row=2.0 * config.num_layers * (attention + mlp),
        context=4.0 * config.num_layers * q_width,
        logits=2.0 * width * config.vocab_size,
    )


def pages_for_bytes(config: DecoderConfig, dtype: torch.dtype, page_size: int, kv_bytes: int) -> int:
    """How many pages fit into `kv_bytes`."""
    page = 2 * config.num_layers * config.num_kv_heads * page_size * config.head_dim * dtype.itemsize
    return max(1, kv_bytes // page)
