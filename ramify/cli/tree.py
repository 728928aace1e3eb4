"""`--show tree`: the branches of a run, where they part, their scores, and why each ended.

Branches of one fork are drawn as a trie of their texts: what several wrote alike stands once, above where they part.
Those that wrote the same throughout are one line, with their number.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rich.text import Text
from rich.tree import Tree

from ramify.cli.terminal import visible
from ramify.core.results import TreeBranch

GUIDE = 4  # columns a level of the tree is indented by
SHOWN = 16  # different branches drawn under one fork; the rest is summed up in a line
COLOURS = {"stop": "green", "length": "yellow", "budget": "yellow", "rejected": "red", "unfinished": "bright_black"}


@dataclass(frozen=True)
class Twins:
    """Branches of one fork with one text and one end, the best first; `pieces` are the lines of the text (or words)."""

    branches: Sequence[TreeBranch]
    pieces: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """What every level of the tree needs to know."""

    children: Mapping[int | None, list[TreeBranch]]
    numbers: Mapping[int, int]
    shown: int


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
    _grow(root, None, Drawing(children, numbers, shown), width - GUIDE)
    return root


def shorten(text: str, width: int, keep: str) -> str:
    """One line of at most `width` characters that keeps the text's head or its tail."""
    line = visible(" / ".join(part.strip() for part in text.strip().splitlines() if part.strip()))
    if len(line) <= width:
        return line
    return f"{line[: width - 1]}…" if keep == "head" else f"…{line[len(line) - width + 1 :]}"


def _grow(node: Tree, parent: int | None, drawing: Drawing, width: int) -> None:
    """Everything that forked from `parent`."""
    twins = _twins(drawing.children.get(parent, []), drawing.children)
    _part(node, twins[: drawing.shown], 0, drawing, width)
    rest = [branch for more in twins[drawing.shown :] for branch in more.branches]
    if rest:
        node.add(Text(shorten(_summary(rest), width, keep="head"), style="bright_black"))


def _part(node: Tree, twins: Sequence[Twins], depth: int, drawing: Drawing, width: int) -> None:
    """Texts that agree in their first `depth` pieces: a node for each way on."""
    ways: dict[str, list[Twins]] = {}
    for each in twins:
        ways.setdefault(each.pieces[depth] if depth < len(each.pieces) else "", []).append(each)
    for way in ways.values():
        same = depth + len(_agreed([each.pieces[depth:] for each in way]))
        if len(way) == 1 or same == max(len(each.pieces) for each in way):
            for each in way:
                _leaf(node, each, depth, drawing, width)
        else:
            count = sum(len(each.branches) for each in way)
            text = " / ".join(way[0].pieces[depth:same])
            below = node.add(Text(shorten(f"{count} × {text}", width, keep="head"), no_wrap=True, overflow="ellipsis"))
            _part(below, way, same, drawing, width - GUIDE)


def _leaf(node: Tree, twins: Twins, depth: int, drawing: Drawing, width: int) -> None:
    best, rest = twins.branches[0], " / ".join(twins.pieces[depth:])
    below = node.add(_label(best, len(twins.branches), rest, drawing.numbers, width))
    _grow(below, best.id, drawing, width - GUIDE)


def _twins(ranked: Sequence[TreeBranch], children: Mapping[int | None, list[TreeBranch]]) -> list[Twins]:
    """Branches that differ in nothing that is drawn, together; one that others forked from stays alone."""
    lines = any("\n" in branch.text.strip() for branch in ranked)
    groups: dict[object, list[TreeBranch]] = {}
    for branch in ranked:
        key = branch.id if branch.id in children else (branch.text, branch.ended, branch.forked_at)
        groups.setdefault(key, []).append(branch)
    return [Twins(group, _pieces(group[0].text, lines)) for group in groups.values()]


def _pieces(text: str, lines: bool) -> tuple[str, ...]:
    parts = text.splitlines() if lines else text.split()
    return tuple(part.strip() for part in parts if part.strip())


def _agreed(texts: Sequence[Sequence[str]]) -> list[str]:
    """The pieces with which all of them begin."""
    columns = takewhile(lambda column: len(set(column)) == 1, zip(*texts, strict=False))
    return [column[0] for column in columns]


def _line_of(branch: TreeBranch | None, by_id: dict[int, TreeBranch]) -> set[int]:
    line = set()
    while branch is not None:
        line.add(branch.id)
        branch = by_id.get(branch.parent) if branch.parent is not None else None
    return line


def _rank(branch: TreeBranch, to_best: set[int]) -> tuple[bool, float, int]:
    return (branch.id not in to_best, float("inf") if branch.score is None else -branch.score, branch.id)


def _label(branch: TreeBranch, count: int, text: str, numbers: Mapping[int, int], width: int) -> Text:
    score = "     –" if branch.score is None else f"{branch.score:6.3f}"
    label = Text(f"{'★' if branch.best else ' '} #{numbers[branch.id]:<3}", style="bold" if branch.best else "")
    label.append(f" {score}", style="cyan")
    label.append(f" {branch.length:4d} tok ")
    label.append(f"{branch.ended:<9}", style=COLOURS.get(branch.ended, ""))
    if branch.parent in numbers:
        label.append(f" from token {branch.forked_at}", style="magenta")
    if count > 1:
        label.append(f" × {count}", style="magenta")
    room = width - label.cell_len - 2
    if room >= 8:
        label.append(f"  {shorten(text, room, keep='tail')}", style="" if branch.best else "bright_black")
    label.no_wrap, label.overflow = True, "ellipsis"
    return label


def _summary(rest: Sequence[TreeBranch]) -> str:
    reasons = ", ".join(f"{number} {why}" for why, number in Counter(x.ended for x in rest).most_common())
    scores = [branch.score for branch in rest if branch.score is not None]
    spread = f"; scores {min(scores):.3f} to {max(scores):.3f}" if scores else ""
    return f"and {len(rest)} more: {reasons}{spread}"
