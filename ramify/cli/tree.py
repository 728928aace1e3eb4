"""`--show tree`: the branches of a run, where they forked, their scores, and why each ended."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from rich.tree import Tree

GUIDE = 4  # columns a level of the tree is indented by
SHOWN = 16  # branches drawn under one fork; the rest is summed up in a line
COLOURS = {"stop": "green", "length": "yellow", "budget": "yellow", "rejected": "red", "unfinished": "bright_black"}


@dataclass(frozen=True)
class Leaf:
    """A branch as it is drawn. `forked_at` counts generated tokens; a parent that is not drawn is the prompt."""

    id: int
    parent: int | None
    forked_at: int
    text: str
    tokens: int
    score: float | None
    stopped_because: str
    best: bool = False


def draw(prompt: str, leaves: Sequence[Leaf], width: int, shown: int = SHOWN) -> Tree:
    """The tree of a run, best branches first, no line wider than `width`."""
    drawn = {leaf.id for leaf in leaves}
    children: dict[int | None, list[Leaf]] = defaultdict(list)
    for leaf in leaves:
        children[leaf.parent if leaf.parent in drawn else None].append(leaf)
    numbers = {leaf.id: number for number, leaf in enumerate(sorted(leaves, key=lambda leaf: leaf.id), start=1)}
    to_best = _line_of(next((leaf for leaf in leaves if leaf.best), None), {leaf.id: leaf for leaf in leaves})
    for group in children.values():
        group.sort(key=lambda leaf: _rank(leaf, to_best))
    root = Tree(Text(shorten(prompt, width, keep="head"), style="bold"))
    _grow(root, None, children, numbers, width - GUIDE, shown)
    return root


def shorten(text: str, width: int, keep: str) -> str:
    """One line of at most `width` characters that keeps the text's head or its tail."""
    line = " / ".join(part.strip() for part in text.strip().splitlines() if part.strip())
    if len(line) <= width:
        return line
    return f"{line[: width - 1]}…" if keep == "head" else f"…{line[len(line) - width + 1 :]}"


def _grow(
    node: Tree,
    parent: int | None,
    children: dict[int | None, list[Leaf]],
    numbers: dict[int, int],
    width: int,
    shown: int,
) -> None:
    ranked = children.get(parent, [])
    for leaf in ranked[:shown]:
        branch = node.add(_label(leaf, numbers, parent is not None, width))
        _grow(branch, leaf.id, children, numbers, width - GUIDE, shown)
    if len(ranked) > shown:
        node.add(Text(shorten(_summary(ranked[shown:]), width, keep="head"), style="bright_black"))


def _line_of(leaf: Leaf | None, by_id: dict[int, Leaf]) -> set[int]:
    line = set()
    while leaf is not None:
        line.add(leaf.id)
        leaf = by_id.get(leaf.parent) if leaf.parent is not None else None
    return line


def _rank(leaf: Leaf, to_best: set[int]) -> tuple[bool, float, int]:
    return (leaf.id not in to_best, float("inf") if leaf.score is None else -leaf.score, leaf.id)


def _label(leaf: Leaf, numbers: dict[int, int], nested: bool, width: int) -> Text:
    score = "     –" if leaf.score is None else f"{leaf.score:6.3f}"
    label = Text(f"{'★' if leaf.best else ' '} #{numbers[leaf.id]:<3}", style="bold" if leaf.best else "")
    label.append(f" {score}", style="cyan")
    label.append(f" {leaf.tokens:4d} tok ")
    label.append(f"{leaf.stopped_because:<9}", style=COLOURS.get(leaf.stopped_because, ""))
    if nested:
        label.append(f" from token {leaf.forked_at}", style="magenta")
    room = width - label.cell_len - 2
    if room >= 8:
        label.append(f"  {shorten(leaf.text, room, keep='tail')}", style="" if leaf.best else "bright_black")
    label.no_wrap, label.overflow = True, "ellipsis"
    return label


def _summary(rest: Sequence[Leaf]) -> str:
    reasons = ", ".join(f"{number} {why}" for why, number in Counter(x.stopped_because for x in rest).most_common())
    scores = [leaf.score for leaf in rest if leaf.score is not None]
    spread = f"; scores {min(scores):.3f} to {max(scores):.3f}" if scores else ""
    return f"and {len(rest)} more: {reasons}{spread}"
