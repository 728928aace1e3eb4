"""The parts of a step's attention: which rows look at which run of positions.

R rows, r rows of one part, S keys of a part
"""

from dataclasses import dataclass

import numpy as np
import torch

from ramify.kv.store import Slots
from ramify.model.plan import Ints, StepBatch, run_of_slots


@dataclass(frozen=True)
class Part:
    """Rows that attend to those of the positions first .. first + S - 1 that they may see; kept in `slots`."""

    rows: Slots
    rows_r: Ints  # the same, as a list
    position_r: Ints
    first: int
    count: int
    slots: Slots


def shared_parts(batch: StepBatch) -> list[Part]:
    """One for each group: all rows of its spans, the pages that they share."""
    parts = []
    for group in batch.shared:
        rows_r = np.concatenate([np.arange(batch.num_rows)[batch.spans[s].rows] for s in group.spans])
        count = group.last - group.first
        slots = run_of_slots(group.pages, batch.page_size, 0, count)
        position_r = batch.positions_R.cpu().numpy()[rows_r]
        parts.append(Part(run_of_rows(rows_r), rows_r, position_r, group.first, count, slots))
    return parts


def chunk_parts(batch: StepBatch) -> list[Part]:
    """One for each span of many rows: what it reads by itself, its new keys included."""
    return [_own_part(batch, s) for s in batch.chunks]


def run_of_rows(rows_r: Ints) -> Slots:
    """Rows as a slice if they follow one another."""
    if rows_r[-1] - rows_r[0] == len(rows_r) - 1 and bool((np.diff(rows_r) == 1).all()):
        return slice(int(rows_r[0]), int(rows_r[-1]) + 1)
    return torch.from_numpy(rows_r)


def _own_part(batch: StepBatch, s: int) -> Part:
    span, own = batch.spans[s], int(batch.own_S[s])
    end = span.start + span.num_rows
    rows_r, position_r = np.arange(span.first_row, span.rows.stop), np.arange(span.start, end)
    return Part(span.rows, rows_r, position_r, own, end - own, batch.slots(s, own, end))
