"""Labels of sampled tokens: right up to the first slip, wrong from there on."""

import pytest
from tokenizers import Tokenizer

from ramify.tasks import Problem, Step, generate
from ramify.train.labels import common_prefix, label, split_lines
from ramify.train.language import prompt_ids, text_ids
from ramify.train.vocabulary import END_ID, train_tokenizer

PROBLEM = Problem(
    text="12 + 5 - 3 = ?",
    solution="12 + 5 = 17\n17 - 3 = 14\n#### 14",
    answer="14",
    steps=(Step("12 + 5", "17"), Step("17 - 3", "14")),
    split="train",
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    problems = [generate(0, i, "train") for i in range(100)]
    return train_tokenizer((p.prompt + p.solution for p in problems), 400)


def right_text(tokenizer: Tokenizer, text: str, end: bool = True) -> tuple[str, list[bool], bool]:
    """The part of `text` whose tokens are labelled right, the line labels, and the outcome."""
    ids = text_ids(tokenizer, text) + [END_ID] * end
    labelled = label(tokenizer, PROBLEM, prompt_ids(tokenizer, PROBLEM), ids)
    assert len(labelled.right) == len(ids)
    assert labelled.right == sorted(labelled.right, reverse=True)
    kept = [token for token, ok in zip(ids, labelled.right, strict=True) if ok]
    return tokenizer.decode(kept), [ok for _, ok in labelled.lines], labelled.outcome


@pytest.mark.parametrize(
    ("text", "kept", "lines", "outcome"),
    [
        (PROBLEM.solution, PROBLEM.solution, [True] * 3, True),
        (
            "5 + 12 = 17\n17 - 3 = 14\n#### 14",
            "5 + 12 = 17\n17 - 3 = 14\n#### 14",
            [True] * 3,
            True,
        ),
        ("12 + 5 = 18\n18 - 3 = 15\n#### 15", "12 + 5 = 1", [False] * 3, False),
        (
            "12 + 5 = 17\n17 - 3 = 24\n#### 24",
            "12 + 5 = 17\n17 - 3 = ",
            [True, False, False],
            False,
        ),
        (
            "12 + 5 = 17\n17 - 3 = 14\n#### 15",
            "12 + 5 = 17\n17 - 3 = 14\n#### 1",
            [True, True, False],
            False,
        ),
        ("12 + 5 = 17\n#### 14", "12 + 5 = 17\n", [True, False], True),
        ("", "", [False], False),
    ],
)
def test_labels(tokenizer: Tokenizer, text: str, kept: str, lines: list[bool], outcome: bool) -> None:
    assert right_text(tokenizer, text) == (kept, lines, outcome)


def test_cut_sample_is_right_so_far(tokenizer: Tokenizer) -> None:
    assert right_text(tokenizer, "12 + 5 = 17\n17 - ", end=False)[0] == "12 + 5 = 17\n17 - "


def test_agreement_and_line_ends(tokenizer: Tokenizer) -> None:
    ids = [*text_ids(tokenizer, "12 + 5 = 17\n17 - 3 = 13"), END_ID]
    labelled = label(tokenizer, PROBLEM, [0], ids)
    assert labelled.agreed == len(ids) - 2
    assert [end for end, _ in labelled.lines] == [7, len(ids) - 1]


def test_canonical_solutions_are_all_right(tokenizer: Tokenizer) -> None:
    for i in range(100):
        problem = generate(1, i, "train")
        ids = [*text_ids(tokenizer, problem.solution), END_ID]
        labelled = label(tokenizer, problem, [0], ids)
        assert all(labelled.right) and labelled.outcome and labelled.agreed == len(ids)
        assert len(labelled.lines) == len(problem.steps) + 1


def test_helpers() -> None:
    assert split_lines([1, 9, 9, 2], 9) == [[1, 9], [9], [2]]
    assert split_lines([1, 9], 9) == [[1, 9]]
    assert split_lines([], 9) == []
    assert common_prefix([1, 2, 3], [1, 2]) == 2
    assert common_prefix([1], [2]) == 0
