"""A step as data: rows of many branches, where their keys lie, and which keys several branches share.

    R rows, S spans, P pages of all tables one after another

A span is the rows of one branch: its next token, a chunk of its prompt, or drafted tokens. Positions of a span:

    0 .......... own ............ start ......... start + num_rows
    shared pages  its own pages   the step's rows
    (read once    (read by this span alone)
    for a group)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ramify.model.sharing import SharedPages, shared_pages

Ints = NDArray[np.int64]
Pages = Sequence[int] | NDArray[np.integer]
Rows = tuple[Sequence[int], int, Pages]  # (tokens, start, pages)

FEW = 8  # a span of more rows is a chunk: worth products over all of its rows at once


@dataclass(frozen=True)
class Span:
    """One branch's tokens from position `start` on: rows first_row .. first_row + num_rows - 1."""

    first_row: int
    num_rows: int
    start: int
    pages: Pages  # covers start + num_rows tokens

    @property
    def rows(self) -> slice:
        """The span's rows."""
        return slice(self.first_row, self.first_row + self.num_rows)


@dataclass(frozen=True)
class StepBatch:
    """One ragged step. Arrays are ready for kernels: pages of all spans in one list, offsets beside it."""

    page_size: int
    spans: list[Span]
    tokens_R: Tensor
    positions_R: Tensor
    slots_R: Tensor  # page * page_size + offset, where a row's key and value are written
    span_R: Ints
    pages_P: NDArray[np.int32]
    offset_S: Ints  # of a span's table in pages_P
    own_S: Ints  # first position a span reads by itself
    shared: list[SharedPages]
    few_R: Ints  # rows of spans of at most FEW rows
    chunks: list[int]  # the other spans

    @property
    def num_rows(self) -> int:
        """Rows of the step."""
        return len(self.span_R)

    def slots(self, span: int, first: int, last: int) -> slice | Tensor:
        """Slots of a span's positions first .. last - 1."""
        size = self.page_size
        pages = self.pages_P[self.offset_S[span] + first // size : self.offset_S[span] - (-last // size)]
        return run_of_slots(pages, size, first % size, last - first)


def step_batch(
    rows: Sequence[Rows],
    page_size: int,
    *,
    share_prefixes: bool,
    kv_width: int = 768,
    device: torch.device | str = "cpu",
) -> StepBatch:
    """Lay out a step.

    Args:
        rows: one (tokens, start, pages) a branch: new tokens, how many are stored already, the page table that covers
            both. A page that two tables share must be full before either start, unless nothing is written into it.
        share_prefixes: read leading pages that several tables have in common once for all of them.
        kv_width: key-value heads times head_dim, which tells when that pays.
    """
    count = len(rows)
    num_S = np.fromiter((len(tokens) for tokens, _, _ in rows), np.int64, count)
    start_S = np.fromiter((start for _, start, _ in rows), np.int64, count)
    length_S = np.fromiter((len(pages) for _, _, pages in rows), np.int64, count)
    first_S, offset_S = _starts(num_S), _starts(length_S)
    assert (length_S * page_size >= start_S + num_S).all(), "a page table is too short"
    pages_P = np.concatenate([np.asarray(pages, np.int32) for _, _, pages in rows])

    span_R = np.repeat(np.arange(count), num_S)
    positions_R = np.arange(len(span_R)) + (start_S - first_S)[span_R]
    slots_R = pages_P[offset_S[span_R] + positions_R // page_size] * np.int64(page_size) + positions_R % page_size
    tokens_R = np.fromiter(chain.from_iterable(tokens for tokens, _, _ in rows), np.int64, len(span_R))

    full_S = start_S // page_size  # pages nobody writes any more
    shared = shared_pages(pages_P, offset_S, full_S, page_size, kv_width) if share_prefixes else []
    own_S = np.zeros(count, np.int64)
    for part in shared:
        own_S[part.spans] = part.last
    tokens, positions, slots = (torch.from_numpy(x).to(device) for x in (tokens_R, positions_R, slots_R))
    sizes = zip(first_S.tolist(), num_S.tolist(), start_S.tolist(), rows, strict=True)
    return StepBatch(
        page_size,
        [Span(first, num, start, pages) for first, num, start, (_, _, pages) in sizes],
        tokens,
        positions,
        slots,
        span_R=span_R,
        pages_P=pages_P,
        offset_S=offset_S,
        own_S=own_S,
        shared=shared,
        few_R=np.flatnonzero(num_S[span_R] <= FEW),
        chunks=np.flatnonzero(num_S > FEW).tolist(),
    )


def run_of_slots(pages: NDArray[np.int32], page_size: int, skip: int, count: int) -> slice | Tensor:
    """`count` slots of a run of a table from offset `skip` on: a slice if the pages' ids are consecutive."""
    if count <= 0:
        return slice(0, 0)
    if pages[-1] - pages[0] == len(pages) - 1 and bool((np.diff(pages) == 1).all()):
        begin = int(pages[0]) * page_size + skip
        return slice(begin, begin + count)
    slots = pages[:, None] * np.int64(page_size) + np.arange(page_size)
    return torch.from_numpy(slots.reshape(-1)[skip : skip + count])


def _starts(sizes_S: Ints) -> Ints:
    return np.cumsum(sizes_S) - sizes_S
