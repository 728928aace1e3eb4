"""The operators' page says what is: its options, caps, sizes, queries and examples are tried."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main

from ramify.api import BUILTIN_MODELS
from ramify.cli.serve import serve as command
from ramify.core.events import Event
from ramify.core.ledger import DraftAccount, Ledger, ModelAccount
from ramify.server.answers import ledger_of
from ramify.server.logdb import COLUMNS, MOST_WAITING, LogDb
from ramify.server.settings import Limits
from tests.house.source import ROOT
from tests.server.serving import Served

PAGE = (ROOT / "docs/SERVING.md").read_text()
OF_OTHERS = {
    "--help",
    "--extra-index-url",
    "--no-cache-dir",
    "--create-home",
    "--start-period",
    "--stop-timeout",
    "--version",
}
QUERIES = [query for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL) for query in block.split(";")[:-1]]
PAGE_SIZE = 16


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first heading this is, code marks left out."""
    found = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert found is not None
    return [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in found[1].splitlines()]


def test_every_option_is_one() -> None:
    app = typer.Typer()
    app.command()(command)
    known = {flag for parameter in typer.main.get_command(app).params for flag in parameter.opts}
    named = set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", PAGE))
    assert named - OF_OTHERS <= known
    assert named >= OF_OTHERS


def test_caps_are_those_of_the_server() -> None:
    assert {name: float(default) for name, default, _ in table("cap")} == {
        cap.name: float(getattr(Limits(), cap.name)) for cap in fields(Limits)
    }


def test_events_are_those_of_the_engine() -> None:
    kinds = {f"search.{kind}" for kind in get_args(Event.__annotations__["kind"])}
    assert {row[0] for row in table("event")} == kinds | {"search.result"}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: re.sub(r"\W+", " ", query)[:40])
def test_queries_find_what_they_say(tmp_path: Path, query: str) -> None:
    drafts = DraftAccount(rounds=2, drafted=8, accepted=6)
    models = {"target": ModelAccount(tokens=9, flops=3e9), "builtin-prm": ModelAccount(tokens=9, flops=1e9)}
    call: dict[str, Any] = {"time": 1.7e9, "status": 200, "method": "beam", "flops": 4e9, "seconds": 2.0}
    with LogDb(tmp_path / "calls.db") as db:
        db.write(call | {"ledger": ledger_of(Ledger(models=models, drafts=drafts)), "request": {"prompt": "x"}})
        another = {"time": 9e9, "generated_tokens": 5, "key": "abcd", "flops": 1.0, "ledger": ledger_of(Ledger())}
        db.write(call | another)
    with closing(sqlite3.connect(tmp_path / "calls.db")) as file:
        found = file.execute(query).fetchall()
    expected = {
        "what eac": [("beam", 2, pytest.approx(0.004), 2.0)],
        "who used": [("abcd", 1, 5)],
        "the dear": [
            ("2023-11-14 22:13:20", None, "beam", 4e9, '{"prompt": "x"}'),
            ("2255-03-14 16:00:00", None, "beam", 1.0, None),
        ],
        "the shar": [("2023-11-14 22:00", 0.75), ("2255-03-14 16:00", None)],
        "the rewa": [("builtin-prm", 1e9), ("target", 3e9)],
    }
    assert found == expected[query.strip().removeprefix("-- ")[:8]]


def test_the_log_database_is_described_as_it_is() -> None:
    columns = re.search(r"Table `calls`: `([^`]*)`", PAGE)
    assert columns is not None
    assert re.split(r",\s+", columns[1]) == ["id", *COLUMNS]
    assert f"when {MOST_WAITING} of them wait" in PAGE


def bytes_a_token(name: str) -> int:
    shape = json.loads((BUILTIN_MODELS[name] / "config.json").read_text())
    return int(2 * shape["num_hidden_layers"] * shape["num_key_value_heads"] * shape["head_dim"] * 4)


def test_memory_is_counted_right() -> None:
    for name, layers, heads, size, token, tokens, pages in table("model"):
        folder = "target" if name == "builtin" else name.removeprefix("builtin-")
        assert int(token) == bytes_a_token(folder) == 2 * int(layers) * int(heads) * int(size) * 4
        assert int(tokens) == 2**29 // int(token)
        assert int(pages) == 2**29 // (int(token) * PAGE_SIZE)
    full, each = 100 // PAGE_SIZE, -(-160 // PAGE_SIZE) - 100 // PAGE_SIZE
    held = full + 16 * each
    assert f"{full} pages\nonce and {each} for each candidate: {held} pages" in PAGE
    assert f"{8192 // held} such searches" in PAGE and f"and {5461 // held} into" in PAGE
    assert 2 * 32 * 8 * 128 * 2 == 128 * 2**10 and 2**33 // 2**17 == 65536


def test_the_first_curl(drafting: Served) -> None:
    body = re.search(r"/v1/chat/completions -H '([^']*)' -d '(.*?)'", PAGE, re.DOTALL)
    assert body is not None and body[1] == "Content-Type: application/json"
    answer = drafting.post("/v1/chat/completions", json.loads(body[2]))
    assert answer.status_code == 200
    assert "####" in answer.json()["choices"][0]["message"]["content"]


def test_the_first_search(drafting: Served, capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    space: dict[str, Any] = {}
    exec(compile(code[1].replace("http://127.0.0.1:8000", drafting.url), "SERVING.md", "exec"), space)
    space["client"].close()
    said = capsys.readouterr().out
    assert "#### 35" in said
    assert len(re.findall(r"^-?\d+\.\d+ \d+ (?:stop|length|budget)$", said, re.MULTILINE)) == 16
    assert "'flops'" in said
