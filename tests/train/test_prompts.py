"""Prompts to answer: generated, or read from a file line by line."""

import json
from pathlib import Path

import pytest
import tokenizers

from ramify.api import BUILTIN_MODELS
from ramify.core.errors import BadInput
from ramify.model.tokenizer import Tokenizer
from ramify.tasks import generate
from ramify.train.language import prompt_ids
from ramify.train.prompts import Problems, read_prompts


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.load(BUILTIN_MODELS["target"])


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("\n".join(lines))
    return path


def test_problems_are_read_as_the_target_learnt_them(tokenizer: Tokenizer) -> None:
    ids = Problems(tokenizer, 3).training(5)
    backend = tokenizers.Tokenizer.from_file(str(BUILTIN_MODELS["target"] / "tokenizer.json"))
    assert ids == prompt_ids(backend, generate(3, 5, "train"))


def test_held_out_problems_depend_on_no_seed(tokenizer: Tokenizer) -> None:
    held_out = Problems(tokenizer, 0).held_out(6)
    assert held_out == Problems(tokenizer, 9).held_out(6)
    assert held_out[:2] == Problems(tokenizer, 0).held_out(2)


@pytest.mark.parametrize("count", [4, 5, 19, 20, 57])
def test_a_file_is_split_and_read_round_and_round(tokenizer: Tokenizer, tmp_path: Path, count: int) -> None:
    lines = [json.dumps({"prompt": f"{i} + 1", "id": i}) for i in range(count)]
    listed = read_prompts(file_of(tmp_path, *lines, ""), tokenizer, 100)
    held_out = {tuple(p) for p in listed.held_out(count)}
    training = [tuple(listed.training(i)) for i in range(2 * count)]
    assert len(held_out) >= 2
    assert len(held_out) + len(set(training)) == count
    assert not held_out & set(training)
    assert listed.held_out(1) == listed.held_out(count)[:1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 3: not JSON"),
        ("[1]", 'line 3: {"prompt": "a text"} is expected'),
        ('{"text": "1"}', 'line 3: {"prompt": "a text"} is expected'),
        ('{"prompt": 7}', 'line 3: {"prompt": "a text"} is expected'),
        (json.dumps({"prompt": "1 + " * 50}), "line 3: .* tokens; a prompt has 1 to 40 here"),
    ],
)
def test_a_bad_line_is_named(tokenizer: Tokenizer, tmp_path: Path, line: str, said: str) -> None:
    good = json.dumps({"prompt": "1 + 1"})
    with pytest.raises(BadInput, match=said):
        read_prompts(file_of(tmp_path, good, good, line, good, good), tokenizer, 40)


def test_too_few_and_no_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="1 prompts; 4 or more"):
        read_prompts(file_of(tmp_path, '{"prompt": "1"}'), tokenizer, 40)
    with pytest.raises(BadInput, match="cannot be read"):
        read_prompts(tmp_path / "none.jsonl", tokenizer, 40)
