"""What `prefill` and `load` refuse, and a search that runs out of pages: one clear error, and the model goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import ramify
from ramify.api import LM
from ramify.core.errors import BadInput, BrokenNumbers, CheckpointError, OutOfPages

Load = Callable[..., LM]
TEXT = "the hall"


def test_out_of_pages_in_the_middle_of_a_search(load: Load) -> None:
    """Long after it began: not even one branch fits by itself any more."""
    lm = load(kv_gib=0.0001)
    with pytest.raises(OutOfPages, match=r"1 pages needed, 0 free, 3 branches alive.*raise --kv-gib"):
        lm.search(TEXT, "sample", n=3, seed=1, ignore_eos=True)
    assert not lm.engine.branches
    lm.check()
    assert lm.search(TEXT, seed=1, max_tokens=2).best.tokens > 0


@pytest.mark.parametrize(
    ("prompt", "options", "match"),
    [
        ("the " * 300, {}, "prompt: .* leave no room in a context of 256"),
        (None, {}, "prompt: a text"),
        (TEXT, {"temperature": float("nan")}, "temperature: nan"),
        (TEXT, {"top_p": 1.5}, "top_p: 1.5"),
        (TEXT, {"top_q": 1.0}, "option: unknown 'top_q'; did you mean 'top_p'"),
        (TEXT, {"n": 2}, "option: unknown 'n'"),
        (TEXT, {"max_tokens": 0}, "max_tokens: 0"),
        (TEXT, {"seed": "1"}, "seed: '1'"),
    ],
    ids=lambda x: str(x)[:40],
)
def test_prefill_refuses(prompt: Any, options: dict[str, Any], match: str, load: Load) -> None:
    lm = load()
    with pytest.raises(BadInput, match=match):
        lm.prefill(prompt, **options)
    assert not lm.engine.branches
    lm.check()


@pytest.mark.parametrize(
    ("file", "spoil", "match"),
    [
        ("model.safetensors", lambda data: data[:-8], "truncated or not safetensors"),
        ("model.safetensors", None, "no model.safetensors"),
        ("config.json", lambda data: data.replace(b'"llama"', b'"gpt2"'), "model_type 'gpt2' is not supported"),
    ],
    ids=["truncated", "missing", "unknown architecture"],
)
def test_a_broken_folder(file: str, spoil: Any, match: str, load: Load, models: Path, tmp_path: Path) -> None:
    """As the model, and as the reward of a model that goes on working."""
    folder = shutil.copytree(models / "orm", tmp_path / "orm")
    data = (folder / file).read_bytes()
    (folder / file).unlink()
    if spoil is not None:
        (folder / file).write_bytes(spoil(data))
    with pytest.raises(CheckpointError, match=match):
        ramify.load(folder)
    lm = load()
    with pytest.raises(CheckpointError, match=match):
        lm.search(TEXT, "best-of-n", n=2, reward=folder, max_tokens=3)
    assert not lm.engine.others
    assert lm.search(TEXT, seed=1, max_tokens=2).best.tokens > 0


def test_weights_that_are_no_numbers(load: Load, models: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models / "target", tmp_path / "broken")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] *= float("nan")
    save_file(tensors, folder / "model.safetensors")
    for temperature in (0.0, 1.0):
        lm = ramify.load(folder)
        with pytest.raises(BrokenNumbers, match="weights may be damaged"):
            lm.search(TEXT, "sample", temperature=temperature, max_tokens=3)
        lm.check()


@pytest.mark.parametrize("model", ["", None, 5])
def test_a_model_without_a_name(model: Any) -> None:
    with pytest.raises(BadInput, match=r"model: .*'builtin' is expected"):
        ramify.load(model)


def test_more_memory_than_there_is(load: Load) -> None:
    with pytest.raises(BadInput, match="kv_gib: 1e\\+06 GiB for pages are more than there is"):
        load(kv_gib=1e6)
