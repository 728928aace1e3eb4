"""What the command line is built of: the tree, the document, intervals, quantities, the picture."""

import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ramify.cli import document, plot
from ramify.cli.terminal import visible
from ramify.cli.tree import draw, shorten
from ramify.core.results import TreeBranch
from ramify.harness import interval, quantities


def branch(number: int, **more: object) -> TreeBranch:
    values = {"parent": 1, "forked_at": 0, "text": "a\nb", "length": 7, "score": 0.5, "ended": "stop"} | more
    return TreeBranch(id=number, **values)  # type: ignore[arg-type]


def printed(leaves: list[TreeBranch], width: int = 80, **more: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(draw("How many apples?", leaves, width, **more))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


def test_tree_says_score_length_end_and_text() -> None:
    lines = printed([branch(2, ended="rejected"), branch(3, score=None, best=True, text="12 + 7 = 19\n#### 19")])
    assert lines == [
        "How many apples?",
        "├── ★ #2        –    7 tok stop       12 + 7 = 19 / #### 19",
        "└──   #1    0.500    7 tok rejected   a / b",
    ]


def test_tree_puts_a_fork_under_its_parent() -> None:
    lines = printed([branch(2), branch(3, parent=2, forked_at=20), branch(4, parent=99)])
    assert lines[2].startswith("│   └──   #2") and "from token 20" in lines[2]
    assert lines[3].startswith("└──   #3")


def test_tree_leads_to_the_best_first() -> None:
    lines = printed([branch(2, score=0.9), branch(3, score=0.1, text="c"), branch(4, parent=3, best=True)])
    assert [line.split("#")[1][0] for line in lines[1:]] == ["2", "3", "1"]


def test_tree_sums_up_the_rest() -> None:
    ends = ["rejected"] * 4 + ["stop"] * 5
    leaves = [branch(i, score=i / 10, ended=end, text=f"text {i}") for i, end in enumerate(ends, 2)]
    lines = printed(leaves, shown=2)
    assert lines[-1] == "└── and 7 more: 4 rejected, 3 stop; scores 0.200 to 0.800"


def test_tree_writes_what_several_wrote_once() -> None:
    texts = ["a = 1\nb = 2\n#### 2", "a = 1\nb = 3\n#### 3", "a = 1\nb = 2\n#### 2", "c = 7", "a = 1\nb = 2\nc ="]
    lines = printed([branch(i, text=text, score=-i / 10) for i, text in enumerate(texts, 2)])
    assert lines == [
        "How many apples?",
        "├── 4 × a = 1",
        "│   ├── 3 × b = 2",
        "│   │   ├──   #1   -0.200    7 tok stop      × 2  #### 2",
        "│   │   └──   #5   -0.600    7 tok stop       c =",
        "│   └──   #2   -0.300    7 tok stop       b = 3 / #### 3",
        "└──   #4   -0.500    7 tok stop       c = 7",
    ]


@given(st.lists(st.text("ab\n", max_size=9), min_size=1, max_size=9), st.integers(1, 9))
def test_tree_shows_every_branch_once(texts: list[str], shown: int) -> None:
    lines = printed([branch(i, text=text) for i, text in enumerate(texts, 2)], shown=shown)
    leaves = [line for line in lines if "#" in line]
    counts = [int(line.split(" × ")[1].split()[0]) if " × " in line else 1 for line in leaves]
    more = [int(line.split("and ")[1].split()[0]) for line in lines if "more:" in line]
    assert sum(counts) + sum(more) == len(texts)
    assert len(leaves) <= shown


@given(st.integers(20, 120), st.text(max_size=300))
def test_tree_never_passes_the_width(width: int, text: str) -> None:
    lines = printed([branch(2, text=text, best=True), branch(3, parent=2, text=text)], width=width)
    assert max(map(len, lines)) <= width


def test_shorten_keeps_the_end_that_matters() -> None:
    assert shorten("one\n\n two \nthree", 40, "head") == "one / two / three"
    assert shorten("abcdefghij", 5, "head") == "abcd…"
    assert shorten("abcdefghij", 5, "tail") == "…ghij"


def test_document_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [document.Row("a", 1.5, "us"), document.Row("b", math.inf, "x", 2.0, "a", False, {"law": [math.nan]})]
    document.emit(document.document(rows, extra=1))
    [line] = capsys.readouterr().out.splitlines()
    read = json.loads(line)
    assert read["ok"] is False and read["extra"] == 1 and read["machine"]["cores"] >= 1
    assert read["rows"][0] == {"name": "a", "value": 1.5, "unit": "us", "ratio": None, "baseline": None, "ok": True}
    assert read["rows"][1]["value"] is None and read["rows"][1]["law"] == [None]


def test_fraction_is_wilsons() -> None:
    got = interval.fraction([1.0] * 10 + [0.0] * 10)  # scipy.stats: proportion_ci(method="wilson") at n = 19
    assert (got.mean, round(got.low, 3), round(got.high, 3)) == (0.5, 0.295, 0.705)
    assert interval.fraction([1.0] * 20).high == 1.0 and interval.fraction([1.0] * 20).low < 0.9


def test_fraction_counts_problems_not_seeds() -> None:
    two_seeds_agree, single = interval.fraction([1.0, 0.0] * 50), interval.fraction([1.0, 0.0] * 50)
    undecided = interval.fraction([0.5] * 50 + [1.0, 0.0] * 25)
    assert two_seeds_agree == single
    assert undecided.high - undecided.low < single.high - single.low


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=2, max_size=40))
def test_fraction_stays_inside(solved: list[float]) -> None:
    got = interval.fraction(solved)
    assert 0.0 <= got.low <= got.mean <= got.high <= 1.0


def test_mean_of_paired_differences() -> None:
    got = interval.mean([0.0, 1.0, 0.0, 1.0])
    assert got.mean == 0.5
    assert got.high - got.mean == pytest.approx(1.959964 * (1 / 3) ** 0.5 / 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (quantities.count(987), "987"),
        (quantities.count(1.5), "1.5"),
        (quantities.count(12345), "12.3k"),
        (quantities.count(4.56e6), "4.56M"),
        (quantities.flops(3.4e9), "3.4 GFLOP"),
        (quantities.size(12.3 * 2**20), "12.3 MiB"),
        (quantities.size(7), "7 B"),
        (quantities.seconds(0.0123), "12.3 ms"),
        (quantities.seconds(4.13), "4.1 s"),
        (quantities.seconds(150), "2.5 min"),
    ],
)
def test_quantities(text: str, expected: str) -> None:
    assert text == expected


def test_plot(tmp_path: Path) -> None:
    points = [(1e9, interval.fraction([1.0, 0.0])), (4e9, interval.fraction([1.0, 1.0]))]
    target = tmp_path / "new" / "curve.png"
    plot.save({"greedy": points[:1], "best-of-n": points}, "Built-in target, 100 problems", target)
    assert target.read_bytes().startswith(b"\x89PNG")


def test_text_of_a_model_cannot_steer_the_terminal() -> None:
    assert visible("a\x1b[31m\n\tü\x07\r") == "a\ufffd[31m\n\tü\ufffd\ufffd"
