"""Example trees: the branches of a run as one trie of their texts, so that what several wrote alike stands once.

A branch that was rejected, or that nobody came back to, ends where its text ends, and is dimmed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ramify.harness.spec import Spec
from ramify.harness.trial import Comparison, Row

MOST_PROBLEMS = 3
MOST_METHODS = 4  # trees of one problem
LONGEST = 280  # characters of one node's text


@dataclass
class Node:
    """A stretch of text that some branches wrote, what stands below it, and the branches that end with it."""

    text: str = ""
    count: int = 0
    best: bool = False
    alive: bool = False  # some branch through here was not rejected
    below: dict[str, "Node"] = field(default_factory=dict)
    ended: list[Row] = field(default_factory=list)

    @property
    def children(self) -> list["Node"]:
        """What stands below, the way to the best first, then the most written."""
        return sorted(self.below.values(), key=lambda node: (not node.best, not node.alive, -node.count))

    @property
    def ends(self) -> list[dict[str, Any]]:
        """Branches that end here, those of one end and one score together."""
        alike = groupby(sorted(self.ended, key=_end), key=_end)
        groups = [list(group) for _, group in alike]
        return [
            {"count": len(group), "ended": group[0]["ended"], "score": group[0]["score"], "length": group[0]["length"]}
            | {"best": any(row["best"] for row in group), "branch": group[0]["branch"]}
            for group in groups
        ]


def trie(branches: Sequence[Row]) -> Node:
    """The branches as a trie of their texts' lines (of words, where no text has two lines)."""
    lines = any("\n" in row["text"].strip() for row in branches)
    root = Node()
    for row in branches:
        node, alive = root, row["ended"] not in ("rejected", "unfinished")
        for piece in ("", *_pieces(row["text"], lines)):
            node = node.below.setdefault(piece, Node(piece)) if piece else root
            node.count += 1
            node.best, node.alive = node.best or bool(row["best"]), node.alive or alive
        node.ended.append(row)
    return _merged(root, "\n" if lines else " ")


def examples(
    comparison: Comparison, specs: Sequence[Spec], trees: Sequence[Row], problems: Sequence[Row]
) -> list[dict[str, Any]]:
    """A few problems with the trees of a few methods at the largest budget; first those that methods disagree on."""
    runs = list(_runs(comparison, specs, trees))
    shown = []
    for number in sorted({run["problem"] for run in runs}, key=lambda problem: (-_split(runs, problem), problem)):
        own = sorted((run for run in runs if run["problem"] == number), key=lambda run: run["place"])
        richest = max(own, key=lambda run: (run["rejected"], -run["place"]))  # is open when the page is
        own = [run | {"open": run is richest} for run in own]
        about = problems[number]
        shown.append({"problem": number, "prompt": about["prompt"], "answer": about["answer"], "runs": own})
    return shown[:MOST_PROBLEMS]


def _runs(comparison: Comparison, specs: Sequence[Spec], trees: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """A run for each tree of the largest budget that has more than one branch, of a few methods."""
    places = {spec.label: place for place, spec in enumerate(specs)}
    forked = {(row["method"], row["setting"], row["n"]) for row in trees if row["branches"] > 1}
    branching = [spec for spec in specs if (spec.name, spec.setting, comparison.at(spec.label).n) in forked]
    for spec in _spread(branching, MOST_METHODS):
        trial = comparison.at(spec.label)
        own = [row for row in trees if (row["method"], row["setting"], row["n"]) == (spec.name, spec.setting, trial.n)]
        for problem, group in groupby(own, key=lambda row: row["problem"]):
            branches = list(group)
            outcome = next(r for r in trial.rows if (r["problem"], r["seed"]) == (problem, branches[0]["seed"]))
            if len(branches) > 1:
                about = {"problem": problem, "label": spec.label, "place": places[spec.label], "n": trial.n}
                about |= {"seed": branches[0]["seed"], "of": branches[0]["branches"], "shown": len(branches)}
                about |= {"rejected": sum(row["ended"] == "rejected" for row in branches)}
                yield about | {"root": trie(branches), "outcome": outcome, "trial": trial}


def _spread(specs: Sequence[Spec], most: int) -> list[Spec]:
    """Some of them, the first and the last among them."""
    if len(specs) <= most:
        return list(specs)
    return [specs[round(place * (len(specs) - 1) / (most - 1))] for place in range(most)]


def _split(runs: Sequence[Mapping[str, Any]], problem: int) -> float:
    """How much the methods disagree on a problem: 0 where all solve it, or none does."""
    solved = [float(run["outcome"]["solved"]) for run in runs if run["problem"] == problem]
    share = sum(solved) / len(solved)
    return share * (1 - share)


def _pieces(text: str, lines: bool) -> list[str]:
    parts = text.splitlines() if lines else text.split()
    return [part.strip() for part in parts if part.strip()]


def _merged(node: Node, between: str) -> Node:
    """A node with one way on, that nobody ends at, becomes one with it."""
    for key, child in list(node.below.items()):
        while len(child.below) == 1 and not child.ended:
            [only] = child.below.values()
            only.text = between.join((child.text, only.text))
            child = only
        node.below[key] = _merged(child, between)
    return node


def _end(row: Row) -> tuple[bool, str, float, int]:
    score = row["score"]
    return (not row["best"], str(row["ended"]), float("inf") if score is None else -score, row["length"])


def shortened(text: str) -> str:
    """A node's text, its middle cut out where it is long."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"
