"""The tokenizer: any text comes back as it was, digits and line breaks stand alone."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ramify.tasks import generate
from ramify.train.language import prompt_ids, text_ids
from ramify.train.vocabulary import BEGIN, BEGIN_ID, END, END_ID, save_tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    problems = [generate(0, i, "train") for i in range(300)]
    return train_tokenizer((p.prompt + p.solution for p in problems), 512)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80))
@example(text=END)
@example(text=f"1{BEGIN}{END}2")
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    """But for the two marks, which are tokens and no text."""
    plain = text.replace(BEGIN, "").replace(END, "")
    assume(BEGIN not in plain and END not in plain)  # what is left may put new ones together
    assert tokenizer.decode(text_ids(tokenizer, text)) == plain


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  a  b ",
        "\t\n\r\n",
        "½ ٤٢ 𝟜",
        "naïve 数学 👩‍👩‍👧",
        "\x00\x7f",
        "12 + 5 = 17",
        " - -- - 3",
    ],
)
def test_awkward_texts_come_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(text_ids(tokenizer, text)) == text


def test_digits_and_line_breaks_stand_alone(tokenizer: Tokenizer) -> None:
    tokens = tokenizer.encode("12 + 5 = 17\n\n#### 17", add_special_tokens=False).tokens
    assert tokens == ["1", "2", "Ġ+Ġ", "5", "Ġ=Ġ", "1", "7", "Ċ", "Ċ", "####", "Ġ", "1", "7"]
    assert all(len(t) == 1 for t in tokenizer.get_vocab() if any(c.isdigit() for c in t))
    assert [t for t in tokenizer.get_vocab() if "Ċ" in t] == ["Ċ"]


def test_begin_is_added_and_marks_are_one_token(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("7").ids == [BEGIN_ID, *text_ids(tokenizer, "7")]
    assert text_ids(tokenizer, "<|begin|><|end|>") == [BEGIN_ID, END_ID]


def test_prompt_and_solution_tokens_join(tokenizer: Tokenizer) -> None:
    """Encoding the parts is encoding the whole: no token crosses from prompt to solution."""
    for i in range(100):
        problem = generate(1, i, "train")
        parts = prompt_ids(tokenizer, problem) + text_ids(tokenizer, problem.solution)
        assert parts == tokenizer.encode(problem.prompt + problem.solution).ids


def test_saved_as_hugging_face_has_it(tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path, 512)
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert again.encode("Tom has 12 apples.").ids == tokenizer.encode("Tom has 12 apples.").ids
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert (config["bos_token"], config["eos_token"]) == ("<|begin|>", "<|end|>")


def test_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 258"):
        train_tokenizer([], 257)
