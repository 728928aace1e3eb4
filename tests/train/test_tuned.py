"""The recipes that learn from pairs, in miniature: resuming, refusals, guided decoding, and the commands."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from ramify.api import BUILTIN_MODELS
from ramify.cli.main import app
from ramify.core.errors import BadInput
from ramify.model.checkpoint import load
from ramify.train import arm, workplace
from ramify.train.arm import ArmRun, first_layers, train_arm
from ramify.train.guided import complete_guided
from ramify.train.preference import PreferenceObjective
from ramify.train.sample import Sampling, complete
from ramify.train.shapes import PREFERENCE_SCALES
from ramify.train.tuned import TunedRun, train_tuned

TARGET = BUILTIN_MODELS["target"]
TINY = PREFERENCE_SCALES["tiny"]
RECIPES: dict[str, Any] = {"tuned": train_tuned, "arm": train_arm}


def new_run(name: str, steps: int = 4) -> Any:
    if name == "tuned":
        return TunedRun(target=TARGET, steps=steps, scale=TINY, words=2)
    return ArmRun(target=TARGET, steps=steps, scale=TINY, layers=1, start_steps=2)


@pytest.fixture(scope="module", autouse=True)
def one_strength() -> Iterator[None]:
    """Guided decoding is measured at one strength only: what is shown here does not depend on how many there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arm, "STRENGTHS", (0.5,))
        yield


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workplace with the target's samples, and both models trained there."""
    work = tmp_path_factory.mktemp("preferences") / "work"
    for name, train in RECIPES.items():
        numbers = train(work / name / "out", new_run(name), work=work)
        assert all(0.0 <= value <= 1.0 for value in numbers.values())
    return work


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", RECIPES)
def test_folder_is_a_plain_model_of_the_targets_family(drawn: Path, name: str) -> None:
    made, target = load(drawn / name / "out"), load(TARGET)
    assert made.head is None
    assert made.config["architectures"] == target.config["architectures"]
    assert made.decoder.config.num_layers == (4 if name == "tuned" else 1)
    assert all(bool(weight.isfinite().all()) for weight in made.decoder.parameters())
    assert (drawn / name / "out" / "tokenizer.json").read_bytes() == (TARGET / "tokenizer.json").read_bytes()


def test_words_come_first_and_alone(drawn: Path) -> None:
    """The first stage changes embeddings that no problem and no sample uses, and nothing else."""
    state = torch.load(drawn / "tuned-words" / "state.pt", weights_only=True)["modules"]
    before = {f"decoder.{name}": weight.float() for name, weight in load(TARGET).decoder.state_dict().items()}
    assert not state.pop("heads.sense").any()
    changed = {name for name, weight in state.items() if not torch.equal(weight, before[name])}
    tied = {name for name, weight in before.items() if weight.shape == before["decoder.embedding"].shape}
    assert "decoder.embedding" in changed <= tied
    rows = (state["decoder.embedding"] != before["decoder.embedding"]).any(1)
    lines = (drawn / "samples.jsonl").read_text().splitlines()
    used = {token for line in lines for ids in json.loads(line)["samples"] for token in ids}
    assert 0 < int(rows.sum()) < len(rows)
    assert not rows[sorted(used)].any()


@pytest.mark.parametrize("name", RECIPES)
def test_resumed_run_equals_uninterrupted(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Cut off before its third step on pairs, and begun again."""
    for file in ("samples.jsonl", "held_out.jsonl"):
        (tmp_path / file).write_bytes((drawn / file).read_bytes())
    monkeypatch.setattr(workplace, "MEASURE_EVERY", 2)
    whole, run = PreferenceObjective.loss, new_run(name)

    def until_third(self: PreferenceObjective, step: int) -> tuple[torch.Tensor, int]:
        if step == 2:
            raise KeyboardInterrupt
        return whole(self, step)

    monkeypatch.setattr(PreferenceObjective, "loss", until_third)
    with pytest.raises(KeyboardInterrupt):
        RECIPES[name](tmp_path / "out", run, work=tmp_path)
    monkeypatch.setattr(PreferenceObjective, "loss", whole)
    RECIPES[name](tmp_path / "out", run, work=tmp_path)
    assert weights(tmp_path / "out") == weights(drawn / name / "out")


def test_work_of_another_run_is_refused(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="another run \\(its beta\\)"):
        train_tuned(tmp_path / "out", replace(new_run("tuned"), beta=0.7), work=drawn)
    with pytest.raises(BadInput, match="target's own folder"):
        train_arm(TARGET, new_run("arm"), work=tmp_path)


def test_wrong_targets_and_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="as the built-in target does"):
        train_tuned(tmp_path / "out", replace(new_run("tuned"), target=BUILTIN_MODELS["prm"]), work=tmp_path)
    with pytest.raises(BadInput, match="5 wanted, the target has 4"):
        first_layers(load(TARGET).decoder, 5)
    for option in ({"beta": 0.0}, {"rate": 2.0}, {"judging": -1.0}, {"steps": 0}):
        with pytest.raises(BadInput, match=next(iter(option))):
            replace(new_run("tuned"), **option)


def test_guidance_of_no_strength_is_plain_decoding() -> None:
    """And by a reward that is the base itself, w = 1 is the base at half the temperature."""
    base, reward = load(TARGET).decoder, load(BUILTIN_MODELS["draft"]).decoder
    prompts = [[0, 40, 41, 42, 200], [0, 50, 200]]
    greedy, sampled = Sampling(temperature=0.0, limit=12), Sampling(temperature=1.0, limit=12, seed=5)
    for how in (greedy, sampled):
        assert complete_guided(base, reward, 0.0, prompts, how) == complete(base, prompts, how)
    halved = replace(sampled, temperature=0.5)
    assert complete_guided(base, base, 1.0, prompts, sampled) == complete(base, prompts, halved)
    assert complete_guided(base, reward, 50.0, prompts, greedy) == complete(reward, prompts, greedy)


@pytest.mark.parametrize("name", RECIPES)
def test_command(drawn: Path, tmp_path: Path, name: str) -> None:
    """Trains, and says what it measured."""
    for file in ("samples.jsonl", "held_out.jsonl"):
        (tmp_path / file).write_bytes((drawn / file).read_bytes())
    own = ["--layers", "1", "--start-steps", "2"] if name == "arm" else ["--words", "2", "--judging", "0.5"]
    command = ["train", name, str(tmp_path / "out"), "--scale", "tiny", "--steps", "2", "--work", str(tmp_path)]
    result = CliRunner().invoke(app, [*command, *own, "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["name"]: row["value"] for row in json.loads(result.stdout)["rows"]}
    assert ("dpo_pair_accuracy" if name == "tuned" else "guided_greedy_0.5") in rows
