"""Every command, as a user calls it: what it prints, its JSON document, its exit codes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ramify import __version__
from ramify.api import methods
from ramify.cli.listing import FAMILIES
from ramify.cli.main import app
from ramify.model.config import ARCHITECTURES
from tests.house.source import ROOT

SHORT = ("--max-tokens", "8")
METHODS = [method.name for method in methods()]


def last_document(result: Result) -> dict[str, Any]:
    """The JSON document, which is the last line of standard output."""
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert document.keys() >= {"ok", "rows", "machine"}
    assert all(row.keys() >= {"name", "value", "unit", "ratio", "baseline", "ok"} for row in document["rows"])
    return document


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("show", ["text", "tree", "all"])
def test_run(runner: CliRunner, builtin: Path, method: str, show: str) -> None:
    call = ["run", "Tom has 12 apples.", "--method", method, "--show", show, "--seed", "1", *SHORT]
    result = runner.invoke(app, call)
    assert result.exit_code == 0, result.output
    assert result.output
    assert "seed 1" in result.output
    if show == "tree":
        assert widest(result.stdout.partition("\nbest\n")[0]) <= 80


def test_run_json(runner: CliRunner, builtin: Path) -> None:
    call = ["run", "Tom has 12 apples.", "--method", "best-of-n", "-n", "3", "--seed", "1", "--json", *SHORT]
    document = last_document(runner.invoke(app, call))
    assert [row["name"] for row in document["rows"]] == ["#1", "#2", "#3"]
    best = [row for row in document["rows"] if row["best"]]
    assert [row["value"] for row in best] == [max(row["value"] for row in document["rows"])]
    assert best[0]["text"] == document["text"]
    assert len(document["tree"]) == 3
    assert document["ledger"]["builtin-prm_tokens"] > 0
    assert document["seed"] == 1


def test_same_seed_same_text(runner: CliRunner, builtin: Path) -> None:
    call = ["run", "12 + 7", "--json", "--seed", "5", *SHORT]
    first, second = (last_document(runner.invoke(app, call)) for _ in range(2))
    assert first["rows"] == second["rows"]


def test_run_reads_standard_input(runner: CliRunner, builtin: Path) -> None:
    call = ["--seed", "5", "--json", *SHORT]
    piped = last_document(runner.invoke(app, ["run", "-", *call], input="12 + 7"))
    assert piped["rows"] == last_document(runner.invoke(app, ["run", "12 + 7", *call]))["rows"]


def test_run_with_any_option(runner: CliRunner, builtin: Path) -> None:
    call = ["run", "12 + 7", "--method", "speculative-rejection", "-n", "8", "--budget-pages", "12", "--json", *SHORT]
    call += ["--set", "alpha=0.75", "--set", "top-k=5", "--set", 'logit_bias={"7": -5}']
    document = last_document(runner.invoke(app, call))
    assert len(document["rows"]) == 8
    assert document["rounds"]


def test_compare(runner: CliRunner, builtin: Path, tmp_path: Path) -> None:
    call = ["compare", "--problems", "3", "--budget", "3", *SHORT]
    result = runner.invoke(app, call)
    assert result.exit_code == 0, result.output
    assert "Quality against compute: runs/compare.png" in result.stdout
    assert (tmp_path / "runs/compare.png").exists()
    assert widest(result.stdout) <= 80


def test_compare_json(runner: CliRunner, builtin: Path) -> None:
    call = ["compare", "--problems", "3", "--seeds", "2", "--budget", "4", "--json", *SHORT]
    document = last_document(runner.invoke(app, call))
    rows = {row["name"]: row for row in document["rows"]}
    assert list(rows) == ["greedy", "majority-vote", "best-of-n", "speculative-rejection"]
    assert rows["greedy"]["baseline"] is None
    for name in list(rows)[1:]:
        assert rows[name]["baseline"] == "greedy"
        assert 0.5 < rows[name]["compute"] < 1.5
        assert rows[name]["low"] <= rows[name]["value"] <= rows[name]["high"]
        assert rows[name]["flops"] == pytest.approx(rows[name]["compute"] * document["budget_flops"])
        assert rows[name]["target_tokens"] > 0
        assert rows[name]["n"] in [point["n"] for point in document["curves"][name]]


def test_compare_on_a_file(runner: CliRunner, builtin: Path, tmp_path: Path) -> None:
    task = tmp_path / "task.jsonl"
    task.write_text(json.dumps({"question": "What is 1 + 1?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"}) + "\n")
    call = ["compare", "--task", str(task), "--methods", "greedy, sample", "--json", *SHORT]
    document = last_document(runner.invoke(app, call))
    assert [row["name"] for row in document["rows"]] == ["greedy", "sample"]
    assert document["problems"] == 1


def test_compare_into_a_folder(runner: CliRunner, builtin: Path, tmp_path: Path) -> None:
    task = tmp_path / "mine.jsonl"
    task.write_text("".join(json.dumps({"prompt": f"{i} + 1 =\n", "goal": str(i + 1)}) + "\n" for i in range(3)))
    (tmp_path / "mine.py").write_text("def right(record, text):\n    return record['goal'] in text\n")
    call = ["compare", "--task", str(task), "--checker", "mine.py:right", "--methods", "greedy,best-of-n(n=2)"]
    call += ["--budget", "2,3", "--seeds", "2", "--out", "runs/mine", *SHORT]
    first = runner.invoke(app, call)
    assert first.exit_code == 0, first.output
    assert "Report: runs/mine/report.html" in first.stdout
    assert widest(first.stdout) <= 80
    document = last_document(runner.invoke(app, [*call, "--json"]))
    assert [(row["name"], row["budget"]) for row in document["rows"]] == [
        (name, budget) for budget in (2.0, 3.0) for name in ("greedy", "best-of-n(n=2)")
    ]
    assert document["report"] == "runs/mine/report.html"
    assert {path.name for path in (tmp_path / "runs/mine").iterdir()} >= {"rows.csv", "report.html", "compare.png"}
    other = runner.invoke(app, [*call, "--max-tokens", "9"])
    assert other.exit_code == 2
    assert "max_tokens 8, not 9" in other.stderr


def test_a_bad_line_is_refused_before_anything_is_written(runner: CliRunner, builtin: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"prompt": "a", "answer": "b"}\n{"prompt": 1}\n')
    result = runner.invoke(app, ["compare", "--task", "mine.jsonl", "--out", "runs/mine", *SHORT])
    assert result.exit_code == 2
    assert "mine.jsonl, line 2: " in result.stderr
    assert not (tmp_path / "runs").exists()


def test_demo(runner: CliRunner, builtin: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["demo", "--problems", "2", "--budget", "2.5"])
    assert result.exit_code == 0, result.output
    assert "speculative-rejection with 24 branches" in result.stdout
    assert (tmp_path / "runs/demo.png").exists()


def test_methods(runner: CliRunner) -> None:
    document = last_document(runner.invoke(app, ["methods", "--json"]))
    assert [row["name"] for row in document["rows"]] == METHODS
    printed = runner.invoke(app, ["methods"]).stdout
    assert all(row["name"] in printed and row["paper"] in (*printed.split(), "-") for row in document["rows"])
    assert widest(printed) <= 80


def test_models(runner: CliRunner, builtin: Path) -> None:
    document = last_document(runner.invoke(app, ["models", "--json"]))
    names = ["builtin", *(f"builtin-{name}" for name in ("draft", "aligned", "medusa", "orm", "prm", "tuned", "arm"))]
    assert [row["name"] for row in document["rows"]] == names
    assert all(row["value"] > 0 for row in document["rows"])
    assert widest(runner.invoke(app, ["models"]).stdout) <= 80


def test_every_family_is_listed() -> None:
    assert {kind for kind, _, _ in FAMILIES} == ARCHITECTURES.keys()


def test_verify(runner: CliRunner) -> None:
    document = last_document(runner.invoke(app, ["verify", "--toy", "--json"]))
    assert document["ok"]
    assert all(row["law"] and row["distance"] <= row["bound"] for row in document["rows"])


def test_verify_fails_loudly(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ramify.verify.report.LAWS", {"one is zero": lambda lab: 1.0})
    monkeypatch.setattr("ramify.verify.report.searches_have_their_laws", lambda: {"fine": 0.0})
    result = runner.invoke(app, ["verify", "--toy"])
    assert result.exit_code == 1
    assert "FAILS" in result.stdout
    assert "1 of 4 hold" in result.stdout
    assert not json.loads(runner.invoke(app, ["verify", "--toy", "--json"]).stdout)["ok"]


def test_verify_a_model(runner: CliRunner, builtin: Path) -> None:
    document = last_document(runner.invoke(app, ["verify", "--json"]))
    assert any("exact" in row["name"] for row in document["rows"])


def test_bench(runner: CliRunner, builtin: Path) -> None:
    document = last_document(runner.invoke(app, ["bench", "branches", "--json"]))
    assert {"fork_us", "pages_copied_per_fork"} <= {row["name"] for row in document["rows"]}
    assert "fork_us" in runner.invoke(app, ["bench", "branches"]).stdout


def test_train(runner: CliRunner, tmp_path: Path) -> None:
    call = ["train", "builtin", str(tmp_path / "new"), "--scale", "tiny", "--stages", "target", "--json"]
    assert [row["name"] for row in last_document(runner.invoke(app, call))["rows"]] == ["target"]
    assert (tmp_path / "new/target/model.safetensors").exists()


def test_version(runner: CliRunner) -> None:
    assert runner.invoke(app, ["--version"]).stdout == f"ramify {__version__}\n"


BAD_CALLS = [
    (["run", "x", "--method", "best-off-n"], "method: unknown 'best-off-n'; did you mean 'best-of-n'?"),
    (["run", "x", "--method", "best-of-n", "-n", "0"], "n: 0 is outside"),
    (["run", "x", "--method", "best-of-n", "-n", "1000000000"], "n: 1000000000 is outside"),
    (["run", "x", "--method", "greedy", "-n", "2"], "option: unknown 'n'"),
    (["run", "x", "--temperature", "nan"], "temperature: nan is not a finite number"),
    (["run", "x", "--set", "top_p=0"], "top_p: 0 keeps no token"),
    (["run", "x", "--set", "top_q=0.5"], "option: unknown 'top_q'; did you mean 'top_p'?"),
    (["run", "x " * 2000], "leave no room in a context of"),
    (["run", "x", "--set", "top_p=1.5"], "top_p: 1.5 is outside"),
    (["run", "x", "--stop", ""], "stop: texts are expected"),
    (["run", "x", "--max-tokens", "0"], "max_tokens: 0 is outside"),
    (["run", "x", "--set", "ignore_eos=true", "--kv-gib", "0.000002"], "1 pages needed, 0 free"),
    (["run", "x", "--set", "prompts=y"], "set: prompts is not set this way"),
    (["run", "x", "--set", "seed=3"], "set: seed is not set this way"),
    (["run", "x", "--set", "logit_bias=5"], "logit_bias: a mapping"),
    (["run", "x", "--set", 'logit_bias={"--5": 1}'], "logit_bias: '--5' is not a whole number"),
    (["run", "x", "--set", "top_p=" + "9" * 5000], "is not a finite number"),
    (["run", "x", "--set", "top_p"], "set: 'top_p' is not NAME=VALUE"),
    (["run", "x", "--set", "top_p=1", "--set", "top-p=1"], "set: top_p is given twice"),
    (["run", "x", "--budget-tokens", "0"], "budget.tokens: 0 is outside"),
    (["run", "x", "--method", "best-of-n", "--reward", "builtin-pm"], "did you mean 'builtin-prm'?"),
    (["run", "x", "--model", "./no/such/folder"], "./no/such/folder"),
    (["compare", "--problems", "0"], "problems: 0 is outside"),
    (["compare", "--budget", "0.1"], "budget: 0.1 is outside"),
    (["compare", "--budget", "nan"], "budget: nan is not a finite number"),
    (["compare", "--problems", "2", "--temperature", "nan"], "temperature: nan is not a finite number"),
    (["compare", "--budget", "1", "--problems", "2"], "one candidate of best-of-n costs"),
    (["compare", "--methods", "greedy,no-such"], "method: unknown 'no-such'"),
    (["compare", "--methods", "greedy,best-of-n(n=2"], "methods: ')' is missing"),
    (["compare", "--methods", "best-of-n(m=2)", "--problems", "1"], "option: unknown 'm'"),
    (["compare", "--methods", "best-of-n(select=worst)", "--problems", "1"], "select: unknown 'worst'"),
    (["compare", "--budget", "4,x"], "budget: '4,x' is no list of numbers"),
    (["compare", "--budget", "4,4"], "budget: 4,4 names one budget twice"),
    (["compare", "--budget", "4,0.5"], "budget: 0.5 is outside"),
    (["compare", "--checker", "operator:eq"], "checker: builtin has one of its own"),
    (["compare", "--problems", "1", "--out", os.devnull], "out: /dev/null holds something else"),
    (["compare", "--task", "no-such-file"], "task: "),
    (["compare", "--task", os.devnull], "task: /dev/null has no problems"),
    (["compare", "--model", "folder"], "reward: "),
    (["bench", "decode", "--model", "builtin"], "model: bench decode brings its own models"),
    (["bench", "brunches"], "did you mean 'branches'?"),
    (["train", "builtin", "x", "--scale", "huge"], "scale: unknown 'huge'"),
    (["train", "builtin", "x", "--stages", "targett"], "did you mean 'target'?"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS, ids=[" ".join(call)[:60] for call, _ in BAD_CALLS])
def test_bad_input_is_one_clear_line(runner: CliRunner, builtin: Path, call: list[str], message: str) -> None:
    result = runner.invoke(app, call)
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if not re.search(r": \d+ of \d+", line)]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert "Traceback" not in result.output


SPOILT: dict[str, Callable[[Path], object]] = {
    "truncated or not safetensors": lambda f: os.truncate(f / "model.safetensors", 4000),
    "no model.safetensors": lambda f: (f / "model.safetensors").unlink(),
    "model_type 'gpt2' is not supported": lambda f: replace(f / "config.json", '"llama"', '"gpt2"'),
    "config.json asks for": lambda f: replace(f / "config.json", '"intermediate_size": ', '"intermediate_size": 1'),
}


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("message", SPOILT)
def test_a_broken_folder_is_one_clear_line(runner: CliRunner, builtin: Path, tmp_path: Path, message: str) -> None:
    SPOILT[message](shutil.copytree(builtin / "target", tmp_path / "spoilt"))
    for call in (["run", "x", "-m", "spoilt"], ["compare", "-m", "spoilt", "--reward", "logprob"]):
        result = runner.invoke(app, call)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert message in result.stderr


def test_a_reward_of_another_tokenizer_is_one_clear_line(runner: CliRunner, builtin: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(builtin / "orm", tmp_path / "other")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["!"], vocabulary["?"] = vocabulary["?"], vocabulary["!"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    result = runner.invoke(app, ["run", "x", "--method", "best-of-n", "--reward", "other", *SHORT])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "error: reward 'other' with target" in result.stderr


def test_run_from_nothing(runner: CliRunner, builtin: Path) -> None:
    """The built-in models have a begin token."""
    assert last_document(runner.invoke(app, ["run", "", "--json", "--seed", "1", *SHORT]))["rows"]


def test_interrupt_is_tidy(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ramify.cli.elsewhere.load", interrupted)
    result = runner.invoke(app, ["run", "x"])
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted: nothing is left running"


SAYS_WHEN_LOADED = """
import signal

import ramify.cli.elsewhere as elsewhere
from ramify.cli.main import app

load = elsewhere.load

def noisy(*args, **options):
    lm = load(*args, **options)
    print("loaded", flush=True)
    return lm

elsewhere.load = noisy
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
app()
"""


def test_control_c_in_the_middle(family: Path) -> None:
    call = ["run", "x", "--model", str(family / "target"), "-n", "2000", "--set", "ignore_eos=true"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    with subprocess.Popen([sys.executable, "-c", SAYS_WHEN_LOADED, *call], **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors


def test_a_terminal_without_unicode(family: Path) -> None:
    call = [sys.executable, "-m", "ramify", "run", "x", "--model", str(family / "target"), "--method", "majority-vote"]
    call += ["--show", "tree", "-n", "2", "--seed", "1", *SHORT]
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(call, capture_output=True, cwd=ROOT, env=ascii_only, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_no_picture_is_no_failure(runner: CliRunner, builtin: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = runner.invoke(app, ["compare", "--methods", "greedy", "--problems", "1", "--plot", "file/a.png", *SHORT])
    assert result.exit_code == 0
    assert "no picture: plot: file/a.png cannot be written" in result.stderr
