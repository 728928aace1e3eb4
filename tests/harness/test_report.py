"""The report: its numbers are those of the tables, what a model wrote is only shown, and nothing is fetched."""

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.harness.folder import read_run
from ramify.harness.interval import Interval, fraction, mean
from ramify.harness.report.markup import FORMATS
from ramify.harness.report.page import render
from ramify.harness.report.scale import apart, costs, shares
from ramify.harness.report.trees import trie
from ramify.harness.table import read_csv
from ramify.harness.trial import Comparison

Finished = tuple[Path, Comparison]
VOID = {"meta", "input", "br", "circle", "line", "path", "rect", "polygon"}


@dataclass
class Element:
    """An element with what is in it."""

    name: str
    attributes: dict[str, str]
    parent: "Element | None" = None
    children: list["Element | str"] = field(default_factory=list)

    def __iter__(self) -> Iterator["Element"]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def above(self) -> Iterator["Element"]:
        yield self
        if self.parent is not None:
            yield from self.parent.above()


class Reader(HTMLParser):
    """A tree of the page; an element that is not closed is an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.at = self.root = Element("", {})
        self.feed(text)
        assert self.at is self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        new = Element(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.children.append(new)
        self.at = self.at if tag in VOID else new

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.at.children.append(Element(tag, {name: value or "" for name, value in attrs}, self.at))

    def handle_endtag(self, tag: str) -> None:
        assert self.at.name == tag and self.at.parent is not None
        self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.children.append(data)


class Table:
    """rows.csv, read without the code that wrote it, and the statistics made of it anew."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="", encoding="utf-8") as file:
            self.rows = list(csv.DictReader(file))

    def select(self, query: str) -> list[dict[str, str]]:
        wanted = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        found = {(r["problem"], r["seed"]): r for r in self.rows if all(r[k] == v for k, v in wanted.items())}
        assert found, query
        return [found[key] for key in sorted(found)]

    def each(self, rows: Sequence[dict[str, str]], value: Any) -> list[float]:
        problems: dict[str, list[float]] = {}
        for row in rows:
            problems.setdefault(row["problem"], []).append(value(row))
        return [fmean(values) for values in problems.values()]

    def value(self, about: dict[str, str]) -> float:
        stat, rows = about["data-stat"], self.select(about["data-rows"])
        name, _, rest = stat.partition(":")
        sample = self.select("method=sample&setting=&n=1")
        if name == "key":
            return float(rows[0][rest])
        if name == "mean":
            return fmean(float(row[rest] or 0) for row in rows)
        if name == "peak":
            return max(float(row[rest]) for row in rows)
        if name == "share":
            return sum(float(row[rest] or 0) for row in rows) / sum(float(row["flops"]) for row in rows)
        if name in ("compute", "target"):
            target = float(about["data-budget"]) * fmean(float(row["flops"]) for row in sample)
            return fmean(float(row["flops"]) for row in rows) / target if name == "compute" else target
        stat, _, part = stat.rpartition(".")
        return float(getattr(self.interval(stat, rows, about), part))

    def interval(self, stat: str, rows: list[dict[str, str]], about: dict[str, str]) -> Interval:
        if stat == "solved":
            return fraction(self.each(rows, lambda row: float(row["solved"])))
        if stat.startswith("pass@"):
            return self.covered(rows, int(stat.removeprefix("pass@")))
        others = {(row["problem"], row["seed"]): row for row in self.select(about["data-against"])}
        if stat == "gain":
            pairs = lambda r: float(r["solved"]) - float(others[r["problem"], r["seed"]]["solved"])  # noqa: E731
            return mean(self.each(rows, pairs))
        column = stat.removeprefix("wins:")
        ahead = lambda r: (1 + _sign(float(r[column]) - float(others[r["problem"], r["seed"]][column]))) / 2  # noqa: E731
        return fraction(self.each(rows, ahead))

    def covered(self, rows: list[dict[str, str]], k: int) -> Interval:
        def chance(row: dict[str, str]) -> float:
            n, c = int(row["candidates"]), int(row["right"])
            return 1 - math.comb(n - c, k) / math.comb(n, k)

        span = mean(self.each(rows, chance))
        return Interval(span.mean, max(0.0, span.low), min(1.0, span.high))


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


@pytest.fixture(scope="module")
def page(finished: Finished) -> Element:
    return Reader((finished[0] / "report.html").read_text(encoding="utf-8")).root


@pytest.fixture(scope="module")
def table(finished: Finished) -> Table:
    return Table(finished[0] / "rows.csv")


def test_every_number_is_recomputed_from_the_rows(page: Element, table: Table) -> None:
    seen = set()
    for element in page:
        about = element.attributes
        if "data-stat" in about and element.name == "data" and not about["data-stat"].startswith("k:"):
            value = table.value(about)
            assert float(about["value"]) == pytest.approx(value, rel=1e-9, abs=1e-12), about
            as_ = about.get("data-as")
            assert element.text == (FORMATS[as_](float(about["value"])) if as_ else f"{value:.0f}"), about
            seen.add(about["data-stat"].partition(":")[0].partition(".")[0])
    assert seen == {
        "key",
        "mean",
        "peak",
        "share",
        "compute",
        "target",
        "solved",
        "gain",
        "wins",
        "pass@1",
        "pass@2",
        "pass@4",
    }


def test_no_number_is_without_its_source(page: Element, finished: Finished) -> None:
    sources = {
        name: (finished[0] / name).read_text(encoding="utf-8") for name in ("run.json", "trees.csv", "problems.csv")
    }
    sources["run.json"] += json.dumps(read_run(finished[0]), ensure_ascii=False)
    for element in page:
        if element.name == "style" or "data-stat" in element.attributes:
            continue
        for text in (child for child in element.children if isinstance(child, str)):
            numbers = re.findall(r"\d[\d.]*", re.sub(r"95%|50%", "", text))
            above = list(element.above())
            if not numbers or any(
                "data-stat" in e.attributes or "tick" in e.attributes.get("class", "") for e in above
            ):
                continue
            origin = next((e.attributes["data-from"] for e in above if "data-from" in e.attributes), None)
            assert origin is not None, text
            if element.attributes.get("data-as") == "score":
                assert element.attributes["value"] in sources[origin]
                assert text == FORMATS["score"](float(element.attributes["value"]))
            elif "count" not in element.attributes.get("class", ""):  # how many branches: see the test of the trie
                assert all(number.rstrip(".") in sources[origin] for number in numbers), text


def test_points_stand_where_their_numbers_are(page: Element, table: Table) -> None:
    charts = [element for element in page if element.name == "svg" and "data-axis" in element.attributes]
    assert [chart.attributes["data-axis"] for chart in charts] == ["flops"] * 2 + ["tokens"] * 2 + ["seconds"] * 2
    for chart in charts:
        ticks = [
            e.attributes for e in chart if "tick" in e.attributes.get("class", "") and "data-value" in e.attributes
        ]
        xs = [(math.log(float(t["data-value"])), float(t["x"])) for t in ticks if t["data-axis"] == "x"]
        ys = [(float(t["data-value"]), float(t["y"]) - 4) for t in ticks if t["data-axis"] == "y"]
        points = [e for e in chart if e.attributes.get("class") == "point"]
        assert len(points) == len({e.attributes["data-rows"] for e in points}) >= 8
        for point in points:
            about = point.attributes
            cost, solved = table.value(about), table.interval("solved", table.select(about["data-rows"]), about)
            assert float(about["data-x"]) == pytest.approx(cost)
            assert float(about["data-cx"]) == pytest.approx(along(xs, math.log(cost)), abs=0.2)
            assert float(about["data-cy"]) == pytest.approx(along(ys, solved.mean), abs=0.2)
            n = parse_qs(about["data-rows"]).get("n")
            span = [FORMATS["percent"](solved.mean), *(FORMATS["bare"](v) for v in (solved.low, solved.high))]
            title = f"{about['data-label']}{f', n = {n[0]}' if n else ''}: {span[0]} ({span[1]} to {span[2]}), "
            assert next(e.text for e in point if e.name == "title") == title + FORMATS[about["data-as"]](cost)


def along(points: list[tuple[float, float]], at: float) -> float:
    (a, x), (b, y) = points[0], points[-1]
    return x + (y - x) * (at - a) / (b - a)


def test_figures_name_their_rows(page: Element) -> None:
    captions = [e.text for e in page if e.name == "figcaption" or "caption" in e.attributes.get("class", "").split()]
    assert all(text.startswith(("rows.csv: ", "trees.csv: ")) for text in captions)
    sections = [e for e in page if e.name == "section"]
    names = ["quality", "results", "models", "wins", "coverage", "trees", "how"]
    assert [section.attributes["id"] for section in sections] == names
    for section in sections[:-1]:
        assert any(e.name == "figcaption" or e.attributes.get("class") == "caption" for e in section)


def test_the_front_is_what_no_point_beats(page: Element, table: Table, finished: Finished) -> None:
    _, comparison = finished
    trials = [trial for trials in comparison.trials.values() for trial in trials]
    for axis, column in (("flops", "flops"), ("tokens", "generated_tokens"), ("seconds", "seconds")):
        pane = next(e for e in page if e.attributes.get("class") == f"pane {axis}")
        listed = [e for e in pane if e.name == "li" and e.parent is not None and e.parent.name == "ol"]
        pairs = [(trial.mean(column), trial.accuracy.mean) for trial in trials]
        best = {p for p in pairs if not any(c <= p[0] and q >= p[1] and (c, q) != p for c, q in pairs)}
        assert len(listed) == len(best)
        rings = [e for e in pane if e.attributes.get("class") == "ring"]
        assert len(rings) == 2 * len(best)


def test_nothing_is_fetched_or_run(page: Element, finished: Finished) -> None:
    text = (finished[0] / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|javascript:", text.replace("</", ""))
    assert not {e.name for e in page} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not [name for e in page for name in e.attributes if name.startswith("on") or name in ("src", "href")]


HOSTILE = [
    "</span><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!-- --><style>*{display:none}</style>{{ 7*7 }}{% raw %}",
    "&lt;b&gt;\x00\x1b[31m\u202e\u2066",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_model_wrote_is_only_shown(finished: Finished, page: Element, text: str) -> None:
    folder = finished[0]
    rows, trees, problems = (read_csv(folder / name) for name in ("rows.csv", "trees.csv", "problems.csv"))
    run = read_run(folder)
    run["machine"]["cpu"] = run["settings"]["model"] = run["settings"]["reward"] = text
    for table, columns in ((rows, ["text", "answer"]), (trees, ["text", "ended"]), (problems, ["prompt", "answer"])):
        for row in table:
            row.update(dict.fromkeys(columns, text))
    made = render(run, rows, trees, problems)
    spoilt = Reader(made).root
    assert {e.name for e in spoilt} == {e.name for e in page}
    assert not any(mark in made for mark in "\x00\x1b\u202e\u2066")
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text)
    assert next(e for e in spoilt if e.name == "blockquote").text == shown
    assert any(shown.split()[0] in e.text for e in spoilt if e.attributes.get("class") == "said")


def branch(number: int, text: str, **more: Any) -> dict[str, Any]:
    return {"branch": number, "text": text, "score": None, "ended": "stop", "best": 0, "length": 3} | more


def test_a_tree_writes_what_several_wrote_once() -> None:
    rows = [branch(1, "a\nb\nc"), branch(2, "a\nb\nd", best=1), branch(3, "a\nb", ended="rejected"), branch(4, "e")]
    root = trie(rows)
    shared, other = root.children
    assert (shared.text, shared.count, shared.best, shared.alive) == ("a\nb", 3, True, True)
    assert [(child.text, child.count) for child in shared.children] == [("d", 1), ("c", 1)]
    assert [end["ended"] for end in shared.ends] == ["rejected"]
    assert (other.text, other.count) == ("e", 1)


@given(st.lists(st.text("ab\n ", max_size=8), min_size=1, max_size=12))
def test_a_tree_holds_every_branch_once(texts: list[str]) -> None:
    root, ended = trie([branch(i, text) for i, text in enumerate(texts)]), []
    todo = [root]
    while todo:
        node = todo.pop()
        ended += [row["branch"] for row in node.ended]
        assert node.count == len(node.ended) + sum(child.count for child in node.children)
        todo += node.children
    assert sorted(ended) == list(range(len(texts)))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.floats(1, 8))
def test_names_keep_apart(places: list[float], gap: float) -> None:
    moved = apart(places, gap, 0.0, 100.0)
    order = sorted(range(len(places)), key=lambda i: places[i])
    assert all(moved[b] - moved[a] >= gap - 1e-6 for a, b in pairwise(order))
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in moved)


@given(st.lists(st.floats(1e-4, 1e15), min_size=1, max_size=9), st.integers(4, 8))
def test_a_scale_of_costs_holds_its_values(values: list[float], most: int) -> None:
    scale = costs(values, 10, 110, most)
    assert all(10 <= scale(value) <= 110 for value in values)
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted), min_size=1, max_size=9))
def test_a_scale_of_shares_holds_its_values(spans: list[list[float]]) -> None:
    scale = shares([low for low, _ in spans], [high for _, high in spans], 300, 20)
    assert 2 <= len(scale.ticks) <= 9
    assert scale.low >= 0 and scale.high <= 1 + 1e-9
    assert all(20 - 1e-6 <= scale(value) <= 300 + 1e-6 for span in spans for value in span)
