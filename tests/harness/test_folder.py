"""A run's folder: what is in it, going on after an interruption, the same tables again, other settings refused."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ramify.api import LM
from ramify.core.errors import BadInput
from ramify.harness.cells import Step
from ramify.harness.climbing import NEAR
from ramify.harness.folder import Folder, read_run
from ramify.harness.journal import Journal
from ramify.harness.table import read_csv
from ramify.harness.trial import Comparison
from tests.harness.conftest import BUDGETS, Run, settings_for

Finished = tuple[Path, Comparison]


class Killed(BaseException):
    """The run ends here."""


def without_seconds(path: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if not name.endswith("seconds")} for row in read_csv(path)]


def test_what_is_in_the_folder(finished: Finished) -> None:
    folder, _ = finished
    tables = {"rows.csv", "trees.csv", "problems.csv"}
    assert {path.name for path in folder.iterdir()} - {"rows.parquet"} == tables | {
        "run.json",
        "journal.jsonl",
        "report.html",
    }
    about = read_run(folder)
    assert about["finished"] and about["settings"]["versions"]["ramify"]
    assert about["command"].startswith("ramify compare --methods 'greedy,sample(n=4)")


def test_rows_are_tidy_and_whole(finished: Finished) -> None:
    rows = read_csv(finished[0] / "rows.csv")
    keys = {tuple(row[name] for name in ("method", "setting", "n", "budget", "problem", "seed")) for row in rows}
    assert len(keys) == len(rows)
    groups = {key[:4] for key in keys}
    assert len(rows) == len(groups) * 3 * 2
    for row in rows:
        kinds = sum(row[f"flops_of_{kind}s"] for kind in ("writer", "reward", "draft"))
        roles = sum(value or 0 for name, value in row.items() if name in ("target_flops", "builtin-prm_flops"))
        assert row["flops"] == pytest.approx(kinds) == pytest.approx(roles)
        assert 0 <= row["right"] <= row["candidates"]
        assert row["recomputed_tokens"] == 0
        assert row["draw_seed"] == row["seed"] * 3 + row["problem"]
    assert {row["candidates"] for row in rows if row["setting"] == "n=4"} == {4}


def test_budgets_are_respected(finished: Finished) -> None:
    _, comparison = finished
    for label in ("best-of-n", "best-of-n(select=weighted-majority)", "speculative-rejection"):
        trials = comparison.trials[label]
        for budget in BUDGETS:
            target, at = comparison.target(budget), comparison.at(label, budget)
            above = [trial for trial in trials if trial.cost > target]
            below = [trial for trial in trials if trial.cost <= target]
            close = abs(at.cost / target - 1) <= NEAR
            assert close or (above and below and min(t.n or 0 for t in above) - max(t.n or 0 for t in below) == 1)


def test_a_finished_run_gives_its_tables_again_without_running(finished: Finished, run: Run, tmp_path: Path) -> None:
    @contextmanager
    def forbidden(title: str, total: int) -> Iterator[Step]:
        raise AssertionError(f"{title} was run again")
        yield

    copy = shutil.copytree(finished[0], tmp_path / "copy")
    for name in ("rows.csv", "report.html", "trees.csv"):
        (copy / name).unlink()
    run(copy, forbidden)
    for name in ("rows.csv", "report.html", "trees.csv", "problems.csv"):
        assert (copy / name).read_bytes() == (finished[0] / name).read_bytes()


def test_killed_in_the_middle_it_goes_on(run: Run, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    few: dict[str, Any] = {"methods": ("greedy", "best-of-n"), "problems": 2}
    run(whole, **few)

    @contextmanager
    def killing(title: str, total: int) -> Iterator[Step]:
        def step(done: int) -> None:
            if title == "best-of-n, n=2" and done > total // 2:  # in the second of two cells
                raise Killed

        yield step

    with pytest.raises(Killed):
        run(cut, killing, **few)
    assert not read_run(cut)["finished"]
    assert {path.name for path in cut.iterdir()} == {"run.json", "journal.jsonl"}
    assert Journal(cut / "journal.jsonl").keys()[-1] == ("best-of-n", "", 2, 5)
    with (cut / "journal.jsonl").open("ab") as file:
        file.write(b'{"key": ["best-of-n", "", 2, 6], "rows": [{"so')  # the power went off while a line was written
    run(cut, **few)
    assert read_run(cut)["finished"]
    for name in ("rows.csv", "trees.csv"):
        assert without_seconds(cut / name) == without_seconds(whole / name)
    assert (cut / "problems.csv").read_bytes() == (whole / "problems.csv").read_bytes()


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"budgets": (3.0,)}, r"budgets \[3.0, 4.0\], not \[3.0\]"),
    ({"seeds": (5,)}, r"seeds \[5, 6\], not \[5\]"),
    ({"max_tokens": None}, "max_tokens 60, not None"),
    ({"model_digest": "x", "task": "builtin-hard"}, "task builtin, not builtin-hard; model_digest"),
]


@pytest.mark.parametrize(("changes", "message"), CHANGES)
def test_other_settings_are_refused(finished: Finished, lm: LM, changes: dict[str, Any], message: str) -> None:
    before = {path.name: path.read_bytes() for path in finished[0].iterdir()}
    with pytest.raises(BadInput, match=message):
        Folder(finished[0], settings_for(lm, **changes))
    assert {path.name: path.read_bytes() for path in finished[0].iterdir()} == before


def spoil(folder: Path) -> None:
    run = json.loads((folder / "run.json").read_text())
    run["settings"]["versions"]["ramify"] = "0.0.0"
    (folder / "run.json").write_text(json.dumps(run))


BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (spoil, "versions"),
    (lambda folder: (folder / "run.json").write_text("{"), "cannot be read"),
    (lambda folder: (folder / "run.json").unlink(), "holds something else"),
]


@pytest.mark.parametrize(("damage", "message"), BROKEN)
def test_a_folder_of_something_else_is_refused(
    finished: Finished, lm: LM, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    copy = shutil.copytree(finished[0], tmp_path / "copy")
    damage(copy)
    with pytest.raises(BadInput, match=message):
        Folder(copy, settings_for(lm))


def test_a_method_that_refuses_its_options_does_so_first(lm: LM, run: Run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"alpha: 2\.0 is outside"):
        run(tmp_path / "new", methods=("greedy", "speculative-rejection(alpha=2.0)"))
    assert not (tmp_path / "new/journal.jsonl").exists()
    with pytest.raises(BadInput, match="unknown 'beta'"):
        run(tmp_path / "other", methods=("greedy", "speculative-rejection(beta=1)"))


def test_a_budget_too_small_is_refused_before_the_long_runs(run: Run, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"1 samples; one candidate of best-of-n costs \d"):
        run(tmp_path / "new", methods=("best-of-n",), budgets=(1.0, 8.0))
