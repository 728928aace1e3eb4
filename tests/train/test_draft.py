"""The recipe of drafts, in miniature: every objective, resuming, refusals, and the command."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from ramify.api import BUILTIN_MODELS
from ramify.cli.main import app
from ramify.core.errors import BadInput, CheckpointError, UnknownName
from ramify.model.checkpoint import load
from ramify.model.medusa import load_heads
from ramify.model.tokenizer import Tokenizer
from ramify.train import workplace
from ramify.train.draft import OBJECTIVES, DraftRun, train_draft
from ramify.train.shapes import DRAFT_SCALES
from ramify.train.written import Pool, Written

TINY = replace(DRAFT_SCALES["tiny"], held_out=4)


def new_run(target: Path, **options: Any) -> DraftRun:
    return DraftRun(**{"target": target, "objective": "kl", "steps": 6, "scale": TINY, "seed": 3} | options)


def weights(folder: Path) -> bytes:
    return next(folder.glob("*.safetensors")).read_bytes()


def read_log(work: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_leaves_a_folder_that_loads(small_target: Path, tmp_path: Path, objective: str) -> None:
    seen: list[int] = []
    run = new_run(small_target, objective=objective)
    before, after = train_draft(tmp_path / "out", run, watch=lambda step, measured: seen.append(step))
    assert seen == [0, 6]
    log = read_log(tmp_path / "out-work")
    assert [record["step"] for record in log] == [0, 6]
    assert log[0].items() >= before.numbers().items()
    assert log[1].items() >= after.numbers().items()
    target = load(small_target)
    if objective.startswith("medusa"):
        heads = load_heads(tmp_path / "out", target.decoder.config)
        assert all(bool(weight.isfinite().all()) for weight in heads.parameters())
    model = {"medusa": None, "medusa-joint": tmp_path / "out" / "trunk"}.get(objective, tmp_path / "out")
    if model is not None:
        assert load(model).decoder.config.vocab_size == target.decoder.config.vocab_size
    for folder in (tmp_path / "out", model or tmp_path / "out"):
        assert Tokenizer.load(folder).fingerprint == Tokenizer.load(small_target).fingerprint
        assert Tokenizer.load(folder).end_ids == Tokenizer.load(small_target).end_ids


def test_training_helps(small_target: Path, tmp_path: Path) -> None:
    run = new_run(small_target, steps=30, scale=replace(TINY, batch=12, held_out=32))
    before, after = train_draft(tmp_path / "out", run)
    gain, error = after.sampled.gain_over(before.sampled)
    assert gain > 3 * error > 0
    losses = [record["loss"] for record in read_log(tmp_path / "out-work")[1:]]
    assert losses[-1] < losses[0]


class CutOff(Exception):
    """Stands for the machine that went away."""


@pytest.mark.parametrize("objective", ["tvd++", "medusa-joint"])
def test_resumed_run_equals_uninterrupted(
    small_target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str
) -> None:
    monkeypatch.setattr(workplace, "MEASURE_EVERY", 2)
    run = new_run(small_target, objective=objective)
    train_draft(tmp_path / "whole", run)
    texts = Pool.texts

    def cut(pool: Pool, step: int) -> list[Written]:
        if step == 5:
            raise CutOff
        return texts(pool, step)

    with monkeypatch.context() as patched:
        patched.setattr(Pool, "texts", cut)
        with pytest.raises(CutOff):
            train_draft(tmp_path / "cut", run)
    train_draft(tmp_path / "cut", run)
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert [record["step"] for record in read_log(tmp_path / "cut-work")] == [0, 2, 4, 6]


def test_only_the_same_run_goes_on(small_target: Path, tmp_path: Path) -> None:
    run = new_run(small_target, steps=2)
    train_draft(tmp_path / "out", run)
    before = weights(tmp_path / "out")
    with pytest.raises(BadInput, match=r"another run \(its seed\)"):
        train_draft(tmp_path / "out", replace(run, seed=4))
    train_draft(tmp_path / "out", replace(run, seed=4), resume=False)
    assert weights(tmp_path / "out") != before
    assert [record["step"] for record in read_log(tmp_path / "out-work")] == [0, 2]


def test_going_on_from_a_draft_and_from_heads(small_target: Path, small_draft: Path, tmp_path: Path) -> None:
    train_draft(tmp_path / "draft", new_run(small_target, steps=1, start=small_draft, rate=1e-6))
    for one, other in zip(
        load(small_draft).decoder.parameters(), load(tmp_path / "draft").decoder.parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-2)
    train_draft(tmp_path / "heads", new_run(small_target, steps=1, objective="medusa", num_heads=2))
    joint = new_run(small_target, steps=1, objective="medusa-joint", start=tmp_path / "heads")
    train_draft(tmp_path / "joint", joint)
    assert json.loads((tmp_path / "joint" / "config.json").read_text())["medusa_num_heads"] == 2


def test_own_prompts(small_target: Path, tmp_path: Path) -> None:
    data = tmp_path / "prompts.jsonl"
    data.write_text("\n".join(json.dumps({"prompt": f"What is {i} + 1?"}) for i in range(12)))
    train_draft(tmp_path / "out", new_run(small_target, steps=2, data=data))
    with pytest.raises(BadInput, match="data"):
        train_draft(tmp_path / "out", new_run(small_target, steps=2))


def test_a_foreign_tokenizer_is_refused(small_target: Path, foreign_draft: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^from: .*its tokenizer is not the target's"):
        train_draft(tmp_path / "out", new_run(small_target, start=foreign_draft))
    assert list(tmp_path.iterdir()) == []


def test_reward_models_and_drafts_in_place_of_heads_are_refused(small_target: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^target: .*reward model"):
        train_draft(tmp_path / "out", new_run(BUILTIN_MODELS["prm"]))
    with pytest.raises(CheckpointError, match="medusa_num_heads is None"):
        train_draft(tmp_path / "out", new_run(small_target, objective="medusa", start=small_target))


def test_nothing_of_the_users_is_overwritten(small_target: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="own folder"):
        train_draft(small_target, new_run(small_target))
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="no folder"):
        train_draft(tmp_path / "file", new_run(small_target))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"objective": "tvd+"}, "did you mean 'tvd"),
        ({"steps": 0}, "steps: 0 is outside"),
        ({"rate": float("nan")}, "rate: nan is not a finite number"),
        ({"seed": -1}, "seed"),
        ({"num_heads": 2}, "heads: how many"),
        ({"num_heads": 0, "objective": "medusa"}, "heads: 0 is outside 1 to 16"),
    ],
)
def test_wrong_options(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises((BadInput, UnknownName), match=said):
        new_run(tmp_path, **wrong)


def test_the_command(small_target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    call = ["train", "draft", str(tmp_path / "out"), "--target", str(small_target), "--steps", "2", "--scale", "tiny"]
    shown = CliRunner().invoke(app, call)
    assert shown.exit_code == 0, shown.output
    assert "kl, 2 steps: block efficiency, tokens per target pass" in shown.stdout
    assert "step 2: " in shown.stderr
    again = CliRunner().invoke(app, [*call, "--json"])
    document = json.loads(again.stdout.splitlines()[-1])
    assert [row["name"] for row in document["rows"]] == ["temperature 1", "temperature 0"]
    for row in document["rows"]:
        assert row["gain"] == pytest.approx(row["value"] - row["before"])
        assert len(row["acceptance"]) == 6
        assert 1.0 <= row["value"] <= 7.0
    assert document["objective"] == "kl"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--from", "builtin-draft"), "its tokenizer is not the target's"),
        (("--from", "nowhere"), "nowhere"),
        (("--scale", "huge"), "unknown 'huge'"),
        (("--data", "nowhere.jsonl"), "data: nowhere.jsonl: cannot be read"),
        (("--heads", "2"), "heads: how many"),
        (("--batch", "0"), "batch: 0 is outside 1 to 4096"),
        (("--max-tokens", "512"), "max_tokens: 512 tokens and a prompt do not fit in 512 positions"),
        (("--max-tokens", "500"), "do not fit beside it in 512 positions"),
    ],
)
def test_the_command_refuses(small_target: Path, tmp_path: Path, option: tuple[str, str], said: str) -> None:
    call = ["train", "draft", str(tmp_path / "out"), "--target", str(small_target), "--steps", "2", "--scale", "tiny"]
    result = CliRunner().invoke(app, [*call, *option])
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
