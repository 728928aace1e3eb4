"""Which leading pages several page tables have in common: forks share pages, so equal ids are equal keys.

    S spans, M members of a group, P pages of all tables one after another

The tables are walked as a trie, a whole edge at a time. An edge that enough tables share for long enough becomes a
group: its keys are read once for all members. A shorter edge is left to those below it, which then start earlier.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LEAST_TOKENS = 64  # a shorter run is cheaper read by every span alone than merged
LEAST_SAVED = 512  # reads of a token avoided, (members - 1) * tokens


@dataclass(frozen=True)
class SharedPages:
    """Positions first .. last - 1 (whole pages) that all `spans` see before any of their own rows."""

    spans: Ints
    pages: NDArray[np.int32]
    first: int
    last: int


def shared_pages(pages_P: NDArray[np.int32], offset_S: Ints, full_S: Ints, page_size: int) -> list[SharedPages]:
    """Groups in order of position; a span may be in several, and their ranges follow one another without a gap.

    Args:
        full_S: leading pages of each table that no row of the step writes.
    """
    found: list[SharedPages] = []
    waiting = [(np.arange(len(full_S)), 0, 0)]  # (members, pages known equal, pages covered by groups above)
    while waiting:
        members, depth, covered = waiting.pop()
        for same in _split(members, depth, pages_P, offset_S, full_S):
            end = _common(same, depth, pages_P, offset_S, full_S)
            upto = covered
            if _worthwhile(len(same), (end - covered) * page_size):
                pages = pages_P[offset_S[same[0]] + covered : offset_S[same[0]] + end]
                found.append(SharedPages(same, pages, covered * page_size, end * page_size))
                upto = end
            deeper = same[full_S[same] > end]
            if len(deeper) > 1 and _worthwhile(len(deeper), int(full_S[deeper].max() - upto) * page_size):
                waiting.append((deeper, end, upto))
    return sorted(found, key=lambda part: part.first)


def _worthwhile(members: int, tokens: int) -> bool:
    return tokens >= LEAST_TOKENS and (members - 1) * tokens >= LEAST_SAVED


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
