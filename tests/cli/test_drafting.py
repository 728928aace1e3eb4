"""Drafting on the command line: options of `run`, the parts of drafting listed, and `advise`."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ramify.cli.main import app
from ramify.core.registry import names
from ramify.speculate.controller import LENGTHS

PROMPT = "Tom has 12 apples."
SHORT = ("--max-tokens", "12", "--seed", "1")
QUICK = ("--n-prompts", "3", "--max-tokens", "6", "--rounds", "2")


def last_document(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert all(row.keys() >= {"name", "value", "unit", "ratio", "baseline", "ok"} for row in document["rows"])
    return document


def test_run_with_a_draft(runner: CliRunner, builtin: Path) -> None:
    """The test family's draft is its target, so everything is accepted; and the text is plain decoding's."""
    drafted = runner.invoke(app, ["run", PROMPT, "--draft", "builtin-draft", "--shape", "chain:3", *SHORT])
    plain = runner.invoke(app, ["run", PROMPT, *SHORT])
    assert drafted.exit_code == 0, drafted.output
    assert drafted.stdout == plain.stdout
    assert "tokens a pass, 100% of drafts accepted" in drafted.stderr
    assert "a pass" not in plain.stderr


def test_run_json_has_the_drafts_in_its_ledger(runner: CliRunner, builtin: Path) -> None:
    call = ["run", PROMPT, "-d", "builtin-draft", "--shape", "chain:3", "--verifier", "standard", "--json", *SHORT]
    ledger = last_document(runner.invoke(app, call))["ledger"]
    assert ledger["drafted_tokens"] >= ledger["accepted_tokens"] > 0
    assert ledger["block_efficiency"] > 1
    assert ledger["draft_passes"] > 0


@pytest.mark.parametrize("draft", ["ngram", "suffix", "skip-layers"])
def test_run_with_drafts_of_its_own(runner: CliRunner, builtin: Path, draft: str) -> None:
    result = runner.invoke(app, ["run", PROMPT, "--draft", draft, "--shape", "chain:2", *SHORT])
    assert result.exit_code == 0, result.output
    assert result.stdout == runner.invoke(app, ["run", PROMPT, *SHORT]).stdout


def test_a_lossy_rule_is_taken_when_it_is_wanted(runner: CliRunner, builtin: Path) -> None:
    call = ["run", PROMPT, "-d", "builtin-draft", "--shape", "chain:2", "--verifier", "typical", "--lossy", *SHORT]
    assert runner.invoke(app, call).exit_code == 0


BAD_CALLS = [
    (["run", "x", "--verifier", "block"], "verifier: it says how to draft, and nothing drafts; give --draft"),
    (["run", "x", "--shape", "chain:2"], "shape: it says how to draft"),
    (["run", "x", "--lossy"], "lossy: it says how to draft"),
    (["run", "x", "-d", "ngrm"], "draft: unknown 'ngrm'; did you mean 'ngram'?"),
    (["run", "x", "-d", "ngram", "--verifier", "blok"], "verifier: unknown 'blok'; did you mean 'block'?"),
    (["run", "x", "-d", "builtin-draft", "--verifier", "typical"], "changes the law of the text; say lossy=True"),
    (["run", "x", "-d", "builtin-draft", "--shape", "chain:two"], "whole numbers are expected behind the colon"),
    (["run", "x", "-d", "ngram", "--verifier", "standard"], "a look-up has none"),
    (["advise", "-d", "builtin-draft", "--model", "./other"], "data: ./other is no built-in model"),
    (["advise", "-d", "builtin-draft", "--rounds", "0"], "rounds: 0 is outside"),
    (["advise", "-d", "builtin-draft", "--data", "none.jsonl"], "data: none.jsonl: cannot be read"),
    (["advise", "-d", "no/such/folder"], "no/such/folder"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_what_is_refused(runner: CliRunner, builtin: Path, call: list[str], message: str) -> None:
    result = runner.invoke(app, call)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
    assert message in result.stderr


@pytest.mark.parametrize("kind", ["verifier", "shape", "drafter"])
def test_parts_of_drafting_are_listed(runner: CliRunner, kind: str) -> None:
    rows = last_document(runner.invoke(app, ["methods", "--kind", kind, "--json"]))["rows"]
    assert [row["name"] for row in rows] == names(kind)
    assert all(row["summary"] and row["paper"] for row in rows)
    printed = runner.invoke(app, ["methods", "--kind", kind]).stdout
    assert all(row["name"] in printed for row in rows)
    assert max(map(len, printed.splitlines())) <= 80


def test_lossless_rules_are_told_apart(runner: CliRunner) -> None:
    rows = last_document(runner.invoke(app, ["methods", "--kind", "verifier", "--json"]))["rows"]
    assert {row["name"] for row in rows if not row["lossless"]} == {"typical", "biased", "reflective"}


@pytest.mark.parametrize(("draft", "more"), [("builtin-draft", ()), ("ngram", ("--batch", "2")), ("skip-layers", ())])
def test_advise(runner: CliRunner, builtin: Path, draft: str, more: tuple[str, ...]) -> None:
    result = runner.invoke(app, ["advise", "--draft", draft, *QUICK, *more])
    assert result.exit_code == 0, result.output
    assert "best: " in result.stdout
    assert ("foretell" in result.stdout) == (draft != "ngram")
    assert max(map(len, result.stdout.splitlines()[2:-1])) <= 80


def test_advise_json(runner: CliRunner, builtin: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text("\n".join(json.dumps({"prompt": p}) for p in ("a", "12 + 7", PROMPT)))
    call = ["advise", "-d", "builtin-draft", "--data", "prompts.jsonl", "--png", "a/b.png", "--json", *QUICK]
    document = last_document(runner.invoke(app, call))
    rows = {row["name"]: row for row in document["rows"]}
    assert rows["acceptance_1"]["value"] == 1.0, "the test family's draft is its target"
    assert rows["acceptance_standard_1"]["low"] < 1.0
    assert document["rejections"]["rejected"] == 0
    assert document["rejections"]["expected"] == pytest.approx(0.0, abs=1e-2)
    assert rows["step_1"]["value"] == 1.0 and rows["step_32"]["value"] > 0
    assert [rows[f"chain_{length}"]["setting"] for length in LENGTHS] == list(LENGTHS)
    assert rows["chain_0"]["value"] == rows["chain_0"]["predicted"] == 1.0
    assert rows["auto"]["low"] <= rows["auto"]["value"] <= rows["auto"]["high"]
    assert document["best"] in (*LENGTHS[1:], "auto", "off")
    assert (tmp_path / "a/b.png").stat().st_size > 10_000
