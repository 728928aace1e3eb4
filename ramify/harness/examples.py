"""Trees of a few runs, as they are kept: numbered within themselves, and no larger than a reader can look at."""

from collections.abc import Sequence
from typing import Any

from ramify.core.results import Result, TreeBranch

MOST_BRANCHES = 48


def tree_record(result: Result) -> dict[str, Any]:
    """The branches of a run, the way to the best one always among them; `branches` says how many there were."""
    ordered = sorted(result.tree, key=lambda branch: branch.id)
    kept = _kept(ordered)
    numbers = {branch.id: number for number, branch in enumerate(ordered, start=1)}
    nodes = [_node(branch, numbers) for branch in ordered if branch.id in kept]
    return {"branches": len(ordered), "nodes": nodes}


def _kept(ordered: Sequence[TreeBranch]) -> set[int]:
    by_id = {branch.id: branch for branch in ordered}
    kept = set[int]()
    for branch in (*(b for b in ordered if b.best), *ordered):
        way: TreeBranch | None = branch
        while way is not None and way.id not in kept and len(kept) < MOST_BRANCHES:
            kept.add(way.id)
            way = by_id.get(way.parent) if way.parent is not None else None
    return kept


def _node(branch: TreeBranch, numbers: dict[int, int]) -> dict[str, Any]:
    parent = None if branch.parent is None else numbers.get(branch.parent)
    about: dict[str, Any] = {"branch": numbers[branch.id], "parent": parent, "forked_at": branch.forked_at}
    about |= {"length": branch.length, "score": branch.score, "ended": branch.ended}
    return about | {"best": int(branch.best), "text": branch.text}
