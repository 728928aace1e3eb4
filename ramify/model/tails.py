"""Rows that stand in a token tree: where they stand, and which slots hold the path that leads to each.

    R rows, T slots of all tails one after another

Node i of a tree lies in the slot of position start + i, but it stands at position start + depth. Its tail is the path
from the tree's first level to itself; before that come the stored text's pages, as for every other row. Nodes may have
been stored in earlier steps: the rows are the tree's last nodes.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
SlotsOf = Callable[[int, Ints], Ints]
Parents = Sequence[int]  # of every node, -1 for those that follow the stored text; parents come first


def depths(parents: Parents) -> list[int]:
    """How many nodes lie above each."""
    found: list[int] = []
    for parent in parents:
        found.append(0 if parent < 0 else found[parent] + 1)
    return found


def place(
    trees: Mapping[int, Parents],
    spans: Sequence[tuple[int, int, int]],
    slots_of: SlotsOf,
    positions_R: Ints,
    slots_R: Ints,
) -> tuple[Ints, Ints]:
    """Correct the rows of some spans from a chain's places to their tree's, in place.

    Args:
        trees: span -> parents of all its nodes; the span's rows are the last of them.
        spans: (first row, number of rows, start) of every span.
        slots_of: slots of some positions of a span's table.

    Returns: (tail_R, tails_T), the tail of row r being tails_T[tail_R[r] : tail_R[r + 1]].
    """
    count_R, tails = np.zeros(len(positions_R) + 1, np.int64), list[Ints]()
    for span in sorted(trees):
        parents, (first, num, start) = trees[span], spans[span]
        slot_N = slots_of(span, start + np.arange(len(parents)))
        depth = depths(parents)
        for row, node in enumerate(range(len(parents) - num, len(parents)), first):
            path = [node]
            while parents[path[-1]] >= 0:
                path.append(parents[path[-1]])
            positions_R[row], slots_R[row], count_R[row + 1] = start + depth[node], slot_N[node], len(path)
            tails.append(slot_N[path[::-1]])
    return np.cumsum(count_R), np.concatenate(tails)
