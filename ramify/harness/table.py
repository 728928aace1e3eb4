"""Tidy tables: rows.csv has one row for each method x setting x n x budget x problem x seed.

`budget` is the budget (in samples) that a trial was chosen for, so a trial that two budgets chose stands there twice,
and one that none chose has no budget. trees.csv has the branches of some runs, problems.csv the problems.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ramify.core import registry
from ramify.core.errors import BadInput
from ramify.harness.files import write_whole
from ramify.harness.spec import Spec
from ramify.harness.trial import ABOUT, KEYS, Comparison, Row, Trial

registry.TABLES["parquet"] = {"table": "pyarrow:Table", "write": "pyarrow.parquet:write_table"}  # an extra
TEXTS = ("method", "setting", "answer", "stopped_because", "checked", "text", "ended", "prompt")
TREE = [*("method", "setting", "n", "problem", "seed", "branches", "branch", "parent", "forked_at", "length")]
TREE += ["score", "ended", "best", "text"]


def rows_of(comparison: Comparison, specs: Sequence[Spec]) -> list[Row]:
    """All rows, methods in their order, the sample that budgets are counted in at the end (unless it is a method)."""
    rows = list[Row]()
    for spec in specs:
        for trial in comparison.trials[spec.label]:
            chosen = [budget for budget in comparison.budgets if comparison.at(spec.label, budget) is trial]
            rows += [{**row, "budget": budget} for budget in chosen or (None,) for row in trial.rows]
    if not any(spec.label == comparison.sample.label for spec in specs):
        rows += [{**row, "budget": None} for row in comparison.sample.rows]
    return rows


def comparison_of(rows: Sequence[Row], specs: Sequence[Spec], budgets: Sequence[float]) -> Comparison:
    """The comparison that `rows_of` made the rows of.

    Raises:
        BadInput: they lack a method or a budget.
    """
    groups = dict[tuple[str, str, int | None], dict[tuple[int, int], Row]]()
    chosen_n = dict[tuple[str, str, float], int | None]()
    for row in rows:
        method, setting, n, budget = (row[name] for name in KEYS[:4])
        own = {name: value for name, value in row.items() if name != "budget"}
        groups.setdefault((method, setting, n), {})[row["problem"], row["seed"]] = own
        if budget is not None:
            chosen_n[method, setting, budget] = n
    try:
        trials, chosen = dict[str, list[Trial]](), dict[tuple[str, float], Trial]()
        for spec in specs:
            keys = [key for key in groups if key[:2] == (spec.name, spec.setting)]
            made = {n: Trial(spec.label, n, tuple(groups[spec.name, spec.setting, n].values())) for _, _, n in keys}
            trials[spec.label] = list(made.values())
            chosen |= {(spec.label, b): made[chosen_n[spec.name, spec.setting, b]] for b in budgets}
        sample = Trial("sample", 1, tuple(groups["sample", "", 1].values()))
    except KeyError as missing:
        raise BadInput("rows", f"the table has no rows for {missing}") from missing
    return Comparison(sample, trials, budgets, chosen)


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Names of the columns: keys first, then what became of the problem, then the ledger; texts last."""
    names = dict.fromkeys(name for row in rows for name in row)
    first = [name for name in (*KEYS, *ABOUT) if name in names and name != "text"]
    return [*first, *(name for name in names if name not in (*first, "text")), *(["text"] if "text" in names else [])]


def write_csv(rows: Sequence[Row], path: Path, columns: Sequence[str] | None = None) -> None:
    """One row a line; what is not there is empty. Raises BadInput where it cannot be written."""
    content = io.StringIO(newline="")
    writer = csv.DictWriter(
        content, columns or columns_of(rows), restval="", lineterminator="\r\n"
    )  # quotes what holds either
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    write_whole(path, content.getvalue())


def read_csv(path: Path) -> list[dict[str, Any]]:
    """The rows as they were written: numbers as numbers, nothing as None.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        csv.field_size_limit(1 << 30)
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: _read(name, text) for name, text in row.items()} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error) as error:
        raise BadInput("out", f"{path} cannot be read: {error}") from error


def write_parquet(rows: Sequence[Row], path: Path) -> bool:
    """The same table as Parquet; False where pyarrow (the extra `parquet`) is not installed."""
    try:
        table, write = registry.lookup("parquet", "table"), registry.lookup("parquet", "write")
    except ImportError:
        return False
    columns = columns_of(rows)
    beside = path.with_name(f".{path.name}.new")
    write(table.from_pydict({name: [_typed(name, row.get(name)) for row in rows] for name in columns}), str(beside))
    beside.replace(path)
    return True


def tree_rows(about: Mapping[str, Any], trees: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """The branches of a cell's trees, a row each; tree i is problem i's."""
    for problem, tree in enumerate(trees):
        for node in tree["nodes"]:
            yield dict(about) | {"problem": problem, "branches": tree["branches"]} | node


def _read(name: str, text: str) -> Any:
    if name in TEXTS:
        return text if text or name in ("method", "setting", "text", "prompt") else None
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def _typed(name: str, value: Any) -> Any:
    """A column has one type: whole numbers and fractions in one column are all fractions."""
    return value if name in (*TEXTS, "n", "problem", "seed", "draw_seed") or value is None else float(value)
