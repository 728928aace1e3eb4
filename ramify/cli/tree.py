"""`--show tree`: the branches of a run, where they forked, their scores, and why each ended."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from ramify.cli.terminal import visible
from ramify.core.results import TreeBranch

GUIDE = 4  # columns a level of the tree is indented by
SHOWN = 16  # branches drawn under one fork; the rest is summed up in a line
COLOURS = {"stop": "green", "length": "yellow", "budget": "yellow", "rejected": "red", "unfinished": "bright_black"}


def draw(prompt: str, branches: Sequence[TreeBranch], width: int, shown: int = SHOWN) -> Tree:
    """The tree of a run, best branches first, no line wider than `width`."""
    by_id = {branch.id: branch for branch in branches}
    numbers = {name: number for number, name in enumerate(sorted(by_id), start=1)}
    children: dict[int | None, list[TreeBranch]] = defaultdict(list)
    for branch in branches:
        children[branch.parent if branch.parent in by_id else None].append(branch)
    to_best = _line_of(next((branch for branch in branches if branch.best), None), by_id)
    for group in children.values():
        group.sort(key=lambda branch: _rank(branch, to_best))
    root = Tree(Text(shorten(prompt, width, keep="head"), style="bold", no_wrap=True, overflow="ellipsis"))
    _grow(root, None, children, numbers, width - GUIDE, shown)
    return root


def shorten(text: str, width: int, keep: str) -> str:
    """One line of at most `width` characters that keeps the text's head or its tail."""
    line = visible(" / ".join(part.strip() for part in text.strip().splitlines() if part.strip()))
    if len(line) <= width:
        return line
    return f"{line[: width - 1]}…" if keep == "head" else f"…{line[len(line) - width + 1 :]}"


def _grow(
    node: Tree,
    parent: int | None,
    children: dict[int | None, list[TreeBranch]],
    numbers: dict[int, int],
    width: int,
    shown: int,
) -> None:
    ranked = children.get(parent, [])
    for branch in ranked[:shown]:
        below = node.add(_label(branch, numbers, parent is not None, width))
        _grow(below, branch.id, children, numbers, width - GUIDE, shown)
    if len(ranked) > shown:
        node.add(Text(shorten(_summary(ranked[shown:]), width, keep="head"), style="bright_black"))


def _line_of(branch: TreeBranch | None, by_id: dict[int, TreeBranch]) -> set[int]:
    line = set()
    while branch is not None:
        line.add(branch.id)
        branch = by_id.get(branch.parent) if branch.parent is not None else None
    return line


def _rank(branch: TreeBranch, to_best: set[int]) -> tuple[bool, float, int]:
    return (branch.id not in to_best, float("inf") if branch.score is None else -branch.score, branch.id)


def _label(branch: TreeBranch, numbers: dict[int, int], nested: bool, width: int) -> Text:
    score = "     –" if branch.score is None else f"{branch.score:6.3f}"
    label = Text(f"{'★' if branch.best else ' '} #{numbers[branch.id]:<3}", style="bold" if branch.best else "")
    label.append(f" {score}", style="cyan")
    label.append(f" {branch.length:4d} tok ")
    label.append(f"{branch.ended:<9}", style=COLOURS.get(branch.ended, ""))
    if nested:
        label.append(f" from token {branch.forked_at}", style="magenta")
    room = width - label.cell_len - 2
    if room >= 8:
        label.append(f"  {shorten(branch.text, room, keep='tail')}", style="" if branch.best else "bright_black")
    label.no_wrap, label.overflow = True, "ellipsis"
    return label


def _summary(rest: Sequence[TreeBranch]) -> str:
    reasons = ", ".join(f"{number} {why}" for why, number in Counter(x.ended for x in rest).most_common())
    scores = [branch.score for branch in rest if branch.score is not None]
    spread = f"; scores {min(scores):.3f} to {max(scores):.3f}" if scores else ""
    return f"and {len(rest)} more: {reasons}{spread}"
