"""A run's folder: run.json says what it is of, journal.jsonl what is done, and the tables and the report end it.

run.json        settings, versions, machine, the command      written first; "finished" once all else is there
journal.jsonl   finished cells                                 grows; an interrupted run goes on from it
rows.csv, problems.csv, trees.csv, rows.parquet, report.html   written whole, at the end
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ramify.core.errors import BadInput
from ramify.harness.files import write_whole
from ramify.harness.journal import Journal
from ramify.harness.machine import machine
from ramify.harness.report.page import render
from ramify.harness.settings import Settings, differences
from ramify.harness.spec import Spec
from ramify.harness.table import TREE, read_csv, rows_of, tree_rows, write_csv, write_parquet
from ramify.harness.tasks import Task
from ramify.harness.trial import Comparison

RUN, JOURNAL, ROWS, TREES, PROBLEMS, REPORT = (
    "run.json",
    "journal.jsonl",
    "rows.csv",
    "trees.csv",
    "problems.csv",
    "report.html",
)


class Folder:
    """The folder of one comparison, new or gone on with.

    Raises:
        BadInput: the folder holds something else, or a run with other settings; it cannot be read or written.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path, self.settings = path, settings
        self._agree()
        self.journal = Journal(path / JOURNAL)

    def finish(self, comparison: Comparison, specs: Sequence[Spec], task: Task) -> Path:
        """Write the tables, then the report from what is in the tables; where the report is."""
        rows = rows_of(comparison, specs)
        write_csv(rows, self.path / ROWS)
        write_parquet(rows, self.path / "rows.parquet")
        items = [{"problem": i, "answer": item.answer, "prompt": item.text} for i, item in enumerate(task.items)]
        write_csv(items, self.path / PROBLEMS)
        write_csv(self._tree_rows(comparison, specs), self.path / TREES, TREE)
        report = write_report(self.path)
        self._write_run(finished=True)
        return report

    def _tree_rows(self, comparison: Comparison, specs: Sequence[Spec]) -> list[Any]:
        """Of the trials that a budget chose."""
        found = []
        for spec in specs:
            for n in dict.fromkeys(comparison.at(spec.label, budget).n for budget in comparison.budgets):
                key = (spec.name, spec.setting, n, self.settings.seeds[0])
                cell = self.journal.get(key)
                about = dict(zip(("method", "setting", "n", "seed"), key, strict=True))
                found += list(tree_rows(about, cell.trees if cell is not None else ()))
        return found

    def _agree(self) -> None:
        run = self.path / RUN
        if not run.exists():
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise BadInput("out", f"{self.path} holds something else; name a new folder")
            self._write_run(finished=False)
            return
        old = read_run(self.path)["settings"]
        if different := differences(old, self.settings.record()):
            raise BadInput(
                "out", f"{self.path} is a run with {'; '.join(different)}. Name another folder, or delete this one"
            )

    def _write_run(self, *, finished: bool) -> None:
        about = {"finished": finished, "command": self.settings.command, "machine": machine()}
        write_whole(self.path / RUN, json.dumps(about | {"settings": self.settings.record()}, indent=1) + "\n")


def read_run(folder: Path) -> dict[str, Any]:
    """What run.json says.

    Raises:
        BadInput: it is no run's folder.
    """
    try:
        read = json.loads((folder / RUN).read_text(encoding="utf-8"))
        return {"settings": dict(read["settings"]), **{k: read[k] for k in ("finished", "command", "machine")}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput("out", f"{folder / RUN} cannot be read ({error}): no folder of a comparison") from error


def write_report(folder: Path) -> Path:
    """Make report.html out of the tables that stand in a folder; where it is.

    Raises:
        BadInput: a table is missing.
    """
    tables = [read_csv(folder / name) for name in (ROWS, TREES, PROBLEMS)]
    write_whole(folder / REPORT, render(read_run(folder), *tables))
    return folder / REPORT
