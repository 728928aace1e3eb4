"""Which leading pages several page tables have in common: forks share pages, so equal ids are equal keys.

    S spans, M members of a group, P pages of all tables one after another

The tables are walked as a trie, a whole edge at a time. An edge that enough tables share for long enough becomes a
group: its keys are read once for all members. A shorter edge is left to those below it, which then start earlier.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# Measured with 12 heads of 64 on one core, a layer: a token read alone costs a span 0.085 us, a group's products cost
# 170 us and as much a token as reading it alone three times.
LEAST_TOKENS = 64
PRODUCTS = 4  # members whose reading alone costs what the group's costs
LEAST_SAVED = 2048 * 768  # (members - PRODUCTS) * tokens * width of a token's key that pay for a group


@dataclass(frozen=True)
class SharedPages:
    """Positions first .. last - 1 (whole pages) that all `spans` see before any of their own rows."""

    spans: Ints
    pages: NDArray[np.int32]
    first: int
    last: int


def shared_pages(
    pages_P: NDArray[np.int32], offset_S: Ints, full_S: Ints, page_size: int, kv_width: int = 768
) -> list[SharedPages]:
    """Groups in order of position; a span may be in several, and their ranges follow one another without a gap.

    Args:
        full_S: leading pages of each table that no row of the step writes.
        kv_width: key-value heads times head_dim.
    """
    token = page_size, kv_width
    found: list[SharedPages] = []
    waiting = [(np.arange(len(full_S)), 0, 0)]  # (members, pages known equal, pages covered by groups above)
    while waiting:
        members, depth, covered = waiting.pop()
        for same in _split(members, depth, pages_P, offset_S, full_S):
            end = _common(same, depth, pages_P, offset_S, full_S)
            upto = covered
            if _worthwhile(len(same), end - covered, *token):
                pages = pages_P[offset_S[same[0]] + covered : offset_S[same[0]] + end]
                found.append(SharedPages(same, pages, covered * page_size, end * page_size))
                upto = end
            deeper = same[full_S[same] > end]
            if len(deeper) > 1 and _worthwhile(len(deeper), int(full_S[deeper].max()) - upto, *token):
                waiting.append((deeper, end, upto))
    return sorted(found, key=lambda part: part.first)


def _worthwhile(members: int, pages: int, page_size: int, kv_width: int) -> bool:
    tokens = pages * page_size
    return tokens >= LEAST_TOKENS and (members - PRODUCTS) * tokens * kv_width >= LEAST_SAVED


def _split(members: Ints, depth: int, pages_P: NDArray[np.int32], offset_S: Ints, full_S: Ints) -> list[Ints]:
    """Members with the same page at `depth`, as sets of two or more."""
    members = members[full_S[members] > depth]
    page_M = pages_P[offset_S[members] + depth]
    order = np.argsort(page_M, kind="stable")
    cuts = np.flatnonzero(np.diff(page_M[order])) + 1
    return [np.sort(same) for same in np.split(members[order], cuts) if len(same) > 1]


def _common(members: Ints, depth: int, pages_P: NDArray[np.int32], offset_S: Ints, full_S: Ints) -> int:
    """Leading pages that all members have in common, `depth` of them known."""
    limit = int(full_S[members].min())
    table_MP = pages_P[offset_S[members, None] + np.arange(depth, limit)]
    differs_P = (table_MP != table_MP[0]).any(0)
    return depth + int(differs_P.argmax()) if differs_P.any() else limit
