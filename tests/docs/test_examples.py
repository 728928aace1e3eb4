"""The examples, run as a reader runs them, on a few problems; and what they promise."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT, Module
from tests.house.wording import docstring_problems

EXAMPLES = ROOT / "examples"
SCRIPTS = {path.stem: path for path in EXAMPLES.glob("*.py")}


def run(name: str, folder: Path, *options: str) -> str:
    """What a script prints; it must end well, and say nothing on the side of errors but progress."""
    call = [sys.executable, "-W", "error", str(SCRIPTS[name]), *options]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_every_example_is_in_the_readme() -> None:
    told = (EXAMPLES / "README.md").read_text()
    assert {"particles", "your_own_search", "your_own_checker"} == SCRIPTS.keys()
    assert all(f"{name}.py" in told for name in SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_examples_say_what_they_do(name: str) -> None:
    text = SCRIPTS[name].read_text()
    assert docstring_problems(Module(f"examples/{name}", text)) == []
    assert f"python examples/{name}.py" in text
    assert max(map(len, text.splitlines())) <= 120


def test_particles(tmp_path: Path) -> None:
    said = run("particles", tmp_path, "--problems", "4", "--seeds", "1", "--sizes", "1,2", "--plot", "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    rows = [line.split() for line in said.splitlines() if re.match(r"(best-of-n|particle-filter) +\d", line)]
    assert [(row[0], row[1]) for row in rows] == [(m, n) for m in ("best-of-n", "particle-filter") for n in "12"]
    costs = [float(row[-1]) for row in rows]
    assert rows[0][2:] == rows[2][2:]  # n=1 is plain sampling, and costs the same
    assert costs[0] < costs[1]
    assert "best of  2 (" in said


def test_your_own_search(tmp_path: Path) -> None:
    said = run("your_own_search", tmp_path, "--problems", "2")
    rows = [line for line in said.splitlines() if " solves " in line]
    assert [row.split()[0] for row in rows] == ["best-of-n", "best-of-n", "survival", "survival"]
    assert "0 recomputed" in said


def test_your_own_checker(tmp_path: Path) -> None:
    said = run("your_own_checker", tmp_path, "--problems", "3", "--budget", "3", "--methods", "greedy,best-of-n")
    assert "3 problems" in said
    assert "best-of-n" in said
    assert (tmp_path / "runs/mine/report.html").exists()
    with next((tmp_path / "runs/mine").glob("*.csv")).open() as table:
        assert {row["method"] for row in csv.DictReader(table)} >= {"greedy", "best-of-n"}


def test_the_checker_sees_what_answers_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    right = __import__("your_own_checker").right
    record = {"numbers": [13, 4, 30], "result": 82}
    assert right(record, "13 * 4 = 52\nNow 52 + 30 = 82 apples.\n#### 82")
    assert not right(record, "13 * 4 = 52\n52 + 30 = 82\n#### 83")
    assert not right(record, "13 * 4 = 53\n53 + 29 = 82\n#### 82")  # a false line, and a number from nowhere
    assert not right(record, "41 * 2 = 82\n#### 82")
    assert not right(record, "It is plain that\n#### 82")
    assert not right(record, "")


def test_the_problems_have_what_the_checker_wants() -> None:
    for line in (EXAMPLES / "problems.jsonl").read_text().splitlines():
        record = json.loads(line)
        assert record["prompt"].endswith("?\n")
        assert isinstance(record["result"], int)
        assert record["numbers"]
