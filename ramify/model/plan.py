"""A step as data: rows of many branches, where their keys lie, and which keys several branches share.

    R rows, S spans, P pages of all tables one after another

A span is the rows of one branch: its next token, a chunk of its prompt, or drafted tokens. Positions of a span:

    0 .......... own ............ start ......... start + num_rows
    shared pages  its own pages   the step's rows
    (read once    (read by this span alone)
    for a group)

The rows of a drafted tree stand at other positions than their slots say (see `tails`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ramify.model.sharing import SharedPages, shared_pages
from ramify.model.tails import Parents, place

Ints = NDArray[np.int64]
Pages = Sequence[int] | NDArray[np.integer]
Rows = tuple[Sequence[int], int, Pages]  # (tokens, start, pages)

NOTHING = np.empty(0, np.int64)
FEW = 16  # a span of more rows is a chunk: worth products over all of its rows at once


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
    tail_R: Ints  # [R + 1]: where the tail of a tree's row begins in tails_T; empty without trees
    tails_T: Ints
    offset_S: Ints  # of a span's table in pages_P
    own_S: Ints  # first position a span reads by itself
    shared: list[SharedPages]
    few_R: Ints  # rows of trees, and of spans of at most FEW rows
    chunks: list[int]  # the other spans

    @property
    def num_rows(self) -> int:
        """Rows of the step."""
        return len(self.span_R)

    def has_tails(self, span: Span) -> bool:
        """Whether the span's rows stand in a tree."""
        return len(self.tail_R) > 0 and bool(self.tail_R[span.first_row + 1] > self.tail_R[span.first_row])

    def path_slots(self, span: int, row: int) -> Ints:
        """Slots of all positions that a row of a tree may see, its own included."""
        tail = self.tails_T[self.tail_R[row] : self.tail_R[row + 1]]
        before = np.arange(int(self.positions_R[row]) + 1 - len(tail))
        return np.concatenate([_slots_of(self.pages_P, self.offset_S, self.page_size, span, before), tail])

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
    trees: Mapping[int, Parents] | None = None,
    kv_width: int = 768,
    device: torch.device | str = "cpu",
) -> StepBatch:
    """Lay out a step.

    Args:
        rows: one (tokens, start, pages) a branch: new tokens, how many are stored already, the page table that covers
            both. A page that two tables share must be full before either start, unless nothing is written into it.
        share_prefixes: read leading pages that several tables have in common once for all of them.
        trees: parents of all nodes from `start` on, for spans whose rows are (the last) nodes of a tree.
        kv_width: key-value heads times head_dim, which tells when that pays.
    """
    count = len(rows)
    num_S = np.fromiter((len(tokens) for tokens, _, _ in rows), np.int64, count)
    start_S = np.fromiter((start for _, start, _ in rows), np.int64, count)
    length_S = np.fromiter((len(pages) for _, _, pages in rows), np.int64, count)
    first_S, offset_S = _starts(num_S), _starts(length_S)
    assert (length_S * page_size >= start_S + num_S).all(), "a page table is too short"  # a tree's too
    pages_P = np.concatenate([np.asarray(pages, np.int32) for _, _, pages in rows])

    span_R = np.repeat(np.arange(count), num_S)
    positions_R = np.arange(len(span_R)) + (start_S - first_S)[span_R]
    slots_R = pages_P[offset_S[span_R] + positions_R // page_size] * np.int64(page_size) + positions_R % page_size
    tokens_R = np.fromiter(chain.from_iterable(tokens for tokens, _, _ in rows), np.int64, len(span_R))

    sizes = list(zip(first_S.tolist(), num_S.tolist(), start_S.tolist(), strict=True))
    tail_R = tails_T = NOTHING
    if trees:
        slots_of = partial(_slots_of, pages_P, offset_S, page_size)
        tail_R, tails_T = place(trees, sizes, slots_of, positions_R, slots_R)
    full_S = start_S // page_size  # pages nobody writes any more
    shared = shared_pages(pages_P, offset_S, full_S, page_size, kv_width) if share_prefixes else []
    own_S = np.zeros(count, np.int64)
    for part in shared:
        own_S[part.spans] = part.last
    tokens, positions, slots = (torch.from_numpy(x).to(device) for x in (tokens_R, positions_R, slots_R))
    few_S = num_S <= FEW
    few_S[list(trees or ())] = True
    return StepBatch(
        page_size,
        [Span(*size, pages) for size, (_, _, pages) in zip(sizes, rows, strict=True)],
        tokens,
        positions,
        slots,
        span_R=span_R,
        pages_P=pages_P,
        tail_R=tail_R,
        tails_T=tails_T,
        offset_S=offset_S,
        own_S=own_S,
        shared=shared,
        few_R=np.flatnonzero(few_S[span_R]),
        chunks=np.flatnonzero(~few_S).tolist(),
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


def _slots_of(pages_P: NDArray[np.int32], offset_S: Ints, page_size: int, span: int, positions: Ints) -> Ints:
    page = pages_P[offset_S[span] + positions // page_size].astype(np.int64)
    slots: Ints = page * page_size + positions % page_size
    return slots


def _starts(sizes_S: Ints) -> Ints:
    return np.cumsum(sizes_S) - sizes_S
