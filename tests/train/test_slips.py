"""Slips put in on purpose are where they are said to be."""

import pytest
from tokenizers import Tokenizer

from ramify.tasks import STUDY, generate
from ramify.train.slips import Slips
from ramify.train.vocabulary import END_ID, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    problems = (generate(0, i, "train", STUDY) for i in range(60))
    return train_tokenizer((p.prompt + p.solution for p in problems), 300)


def test_the_same_index_is_the_same_slip(tokenizer: Tokenizer) -> None:
    assert Slips(tokenizer, 4)[7] == Slips(tokenizer, 4)[7]
    assert Slips(tokenizer, 4)[7] != Slips(tokenizer, 5)[7]


def test_some_are_whole_and_right_and_the_others_wrong_to_their_end(tokenizer: Tokenizer) -> None:
    slips = [Slips(tokenizer, 4)[i] for i in range(120)]
    clean = [s for s in slips if s.solution == s.canonical]
    assert 0.1 < len(clean) / len(slips) < 0.5
    assert all(s.outcome and all(s.right) for s in clean)
    for slip in slips:
        if not all(slip.right):
            assert not slip.outcome
            assert slip.right == sorted(slip.right, reverse=True)  # once wrong, wrong to the end
            assert slip.solution[: sum(slip.right)] == slip.canonical[: sum(slip.right)]


def test_some_end_too_soon(tokenizer: Tokenizer) -> None:
    slips = [Slips(tokenizer, 4)[i] for i in range(120)]
    early = [s for s in slips if s.solution[-1] == END_ID and len(s.solution) < len(s.canonical) and not s.right[-1]]
    assert any(s.solution[:-1] == s.canonical[: len(s.solution) - 1] for s in early)
