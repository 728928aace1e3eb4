"""Steering on the command line: vectors made from a file of pairs, and a run with them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ramify.cli.main import app

PROMPT = ["run", "Tom has 12 apples.", "--max-tokens", "24", "--seed", "1", "--temperature", "0"]
PAIR = {"prompt": "Compute 3 + 4.\n", "preferred": "3 + 4 = 7", "dispreferred": "4"}


def test_vectors_are_made_and_run_with(runner: CliRunner, builtin: Path) -> None:
    Path("pairs.jsonl").write_text(json.dumps(PAIR))
    call = ["train", "steering", "--pairs", "pairs.jsonl", "--out", "v.safetensors", "--steps", "4"]
    made = runner.invoke(app, [*call, "--layers", "0,1", "--json"])
    assert made.exit_code == 0, made.output
    rows = json.loads(made.stdout.splitlines()[-1])["rows"]
    assert [row["name"] for row in rows] == ["layer_0", "layer_1", "gap"]
    assert "Vectors of 1 pairs" in runner.invoke(app, call).stdout
    plain, none, much = (
        runner.invoke(app, [*PROMPT, *more])
        for more in ([], ["--steer", "v.safetensors", "--steer-strength", "0"], ["--steer", "v.safetensors"])
    )
    assert all(result.exit_code == 0 for result in (plain, none, much)), much.output
    assert plain.stdout == none.stdout != much.stdout


BAD_CALLS = [
    (["run", "x", "--steer-strength", "1"], "steer_strength: it says how strongly to steer, and nothing steers"),
    (["run", "x", "--steer", "none.safetensors"], "steering none.safetensors: no such file"),
    (["train", "steering", "--pairs", "none.jsonl", "--out", "v"], "pairs: none.jsonl: cannot be read"),
    (["train", "steering", "--pairs", "p", "--out", "no/v"], "out: no/v: a file in a folder that exists"),
    (["train", "steering", "--pairs", "p", "--out", "v", "--layers", "a"], "layers: 'a': whole numbers with commas"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_what_is_refused(runner: CliRunner, builtin: Path, call: list[str], message: str) -> None:
    result = runner.invoke(app, call)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.output
    assert message in result.stderr
