"""Tables hold what was put into them, whatever a model wrote."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.harness.spec import Spec
from ramify.harness.table import columns_of, comparison_of, read_csv, rows_of, write_csv, write_parquet
from ramify.harness.trial import Comparison
from tests.harness.made import row, trial

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
HOSTILE = ['"', "\r", "a,b\n\rc\r\n", "\x00", "=1+1", "\ufeff", "'", " "]


def round_trip(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    write_csv(rows, folder / "rows.csv")
    return read_csv(folder / "rows.csv")


@given(TEXT, st.floats(allow_nan=False, allow_infinity=False), st.none() | st.integers(1, 4096))
def test_csv(tmp_path_factory: pytest.TempPathFactory, text: str, number: float, n: int | None) -> None:
    made = row(0, text=text, answer=text or None, flops=number, n=n, score=None)
    [got] = round_trip([made], tmp_path_factory.mktemp("csv"))
    assert got == made


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts(tmp_path: Path, text: str) -> None:
    made = [row(i, text=text, answer=text) for i in range(2)]
    assert round_trip(made, tmp_path) == made


def test_keys_come_first_and_texts_last() -> None:
    names = columns_of([row(0, budget=4.0), row(1, extra=1)])
    assert names[:6] == ["method", "setting", "n", "budget", "problem", "seed"]
    assert names[-1] == "text" and "extra" in names


def comparison() -> Comparison:
    greedy = [trial(None, 5.0, method="greedy")]
    best = [trial(1, 6.0), trial(2, 11.0), trial(4, 21.0)]
    chosen = {("greedy", b): greedy[0] for b in (2.0, 4.0)} | {("best-of-n", 2.0): best[1], ("best-of-n", 4.0): best[2]}
    return Comparison(trial(1, 5.0, method="sample"), {"greedy": greedy, "best-of-n": best}, [2.0, 4.0], chosen)


def test_rows_say_which_budget_chose_them() -> None:
    specs = [Spec("greedy"), Spec("best-of-n")]
    rows = rows_of(comparison(), specs)
    keys = [(r["method"], r["setting"], r["n"], r["budget"], r["problem"], r["seed"]) for r in rows]
    assert len(set(keys)) == len(keys) == 2 * (2 + 3 + 1)
    assert [k[2] for k in keys if k[3] == 4.0 and k[0] == "best-of-n"] == [4, 4]
    assert [k[3] for k in keys if k[0] == "sample"] == [None, None]
    assert comparison_of(rows, specs, [2.0, 4.0]) == comparison()


def test_a_table_that_lacks_a_method_is_refused() -> None:
    rows = rows_of(comparison(), [Spec("greedy")])
    with pytest.raises(BadInput, match="best-of-n"):
        comparison_of(rows, [Spec("greedy"), Spec("best-of-n")], [2.0, 4.0])


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install 'ramify[parquet]'")
    rows = [row(0, budget=None, text="a\n"), row(1, budget=4.0, flops=3)]
    assert write_parquet(rows, tmp_path / "rows.parquet")
    read = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert [{k: v for k, v in got.items() if v is not None} for got in read] == [
        {k: v for k, v in made.items() if v is not None} for made in rows
    ]
    assert math.isclose(sum(got["flops"] for got in read), 13.0)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_no_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ramify.core.registry.TABLES", {"parquet": {"table": "no_such_module:x", "write": "y:z"}})
    assert not write_parquet([row(0)], tmp_path / "rows.parquet")
    assert not list(tmp_path.iterdir())
