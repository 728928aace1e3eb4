"""What a model is asked about solutions: the same ids whoever asks, and true choices."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend

from ramify.api import BUILTIN_MODELS
from ramify.model.tokenizer import Tokenizer
from ramify.tasks import HARD, STUDY, generate, step_labels
from ramify.train import judge_texts
from ramify.train.judge_texts import Judging
from ramify.train.labels import Labelled, label
from ramify.train.language import prompt_ids, text_ids
from ramify.train.pairs import Pair
from ramify.train.slips import Slips
from ramify.train.vocabulary import END_ID

TARGET = BUILTIN_MODELS["target"]


@pytest.fixture(scope="module")
def backend() -> Backend:
    return Backend.from_file(str(TARGET / "tokenizer.json"))


def canonical(backend: Backend, index: int) -> Labelled:
    problem = generate(5, index, "train", HARD)
    solution = [*text_ids(backend, problem.solution), END_ID]
    return label(backend, problem, prompt_ids(backend, problem), solution)


def example(backend: Backend, index: int) -> Pair:
    """The canonical solution, and the same with another last digit."""
    right = canonical(backend, index)
    wrong = [*right.solution[:-2], text_ids(backend, "7")[0], END_ID]
    if wrong == right.solution:
        wrong[-2] = text_ids(backend, "3")[0]
    problem = generate(5, index, "train", HARD)
    return Pair(right, label(backend, problem, right.prompt, wrong))


@settings(max_examples=60, deadline=None)
@given(index=st.integers(0, 500), cut=st.integers(1, 200))
def test_pieces_have_the_ids_of_the_whole_text(index: int, cut: int) -> None:
    """A solution cut anywhere, the question, the choice: encoded apart, by `encode_after`, or as one text."""
    tokenizer = Tokenizer.load(TARGET)
    problem = generate(5, index, "train", HARD)
    begun = problem.solution[:cut]
    for choice in (judge_texts.YES, judge_texts.NO):
        pieces = (begun, judge_texts.SO_FAR, choice)
        apart = [token for piece in pieces for token in tokenizer.encode_after(piece)]
        assert tokenizer.encode(problem.prompt) + apart == tokenizer.encode(problem.prompt + "".join(pieces))
    other = problem.solution
    parts = (judge_texts.FIRST, begun, judge_texts.SECOND, other, judge_texts.WHICH, judge_texts.IS_FIRST)
    apart = [token for piece in parts for token in tokenizer.encode_after(piece)]
    assert tokenizer.encode(problem.prompt) + apart == tokenizer.encode(problem.prompt + "".join(parts))


def test_choices_part_at_their_first_token() -> None:
    tokenizer = Tokenizer.load(TARGET)
    for one, other in ((judge_texts.YES, judge_texts.NO), (judge_texts.IS_FIRST, judge_texts.IS_SECOND)):
        assert tokenizer.encode_after(one)[0] != tokenizer.encode_after(other)[0]


def test_so_far_is_the_checkers_verdict(backend: Backend) -> None:
    """Where a question stands behind the last token of a line, its choice is that of `step_labels`."""
    slips, judging, asked = Slips(backend, 3), Judging(backend), {True: 0, False: 0}
    for index in range(60):
        sample, problem = slips[index], generate(3, index, "train", STUDY)
        truth = step_labels(problem, backend.decode(sample.solution))
        ends = {end: ok for (end, _), ok in zip(sample.lines, truth, strict=True)}
        for question in judging.asked(sample, Random(index)):
            last = question.after - len(sample.prompt) - 1
            if last in ends:
                said = backend.decode([0, *question.choice])
                assert said == (judge_texts.YES if ends[last] else judge_texts.NO)
                asked[ends[last]] += 1
    assert min(asked.values()) >= 10


def test_which_names_the_right_one(backend: Backend) -> None:
    """As a text, in both orders; end tokens are left out."""
    tokenizer, judging = Tokenizer.load(TARGET), Judging(backend)
    for index in range(20):
        pair, problem = example(backend, index), generate(5, index, "train", HARD)
        right, wrong = (backend.decode(s.solution) for s in (pair.right, pair.wrong))
        for right_first, (one, other), choice in ((True, (right, wrong), " first"), (False, (wrong, right), " second")):
            text = judging.which(pair, right_first, right_first)
            said = problem.prompt + "First:\n" + one + "\nSecond:\n" + other + "\nWhich is right?"
            assert text.prompt + text.questions[0].asked == tokenizer.encode(said)
            assert text.questions[0].choice == tokenizer.encode_after(choice)
            assert text.questions[0].after == len(text.prompt)


def test_pairs_that_do_not_fit_are_left_out(backend: Backend) -> None:
    judging, pairs = Judging(backend), [example(backend, index) for index in range(10)]
    lengths = sorted(len(judging.which(pair, True, True).rows) for pair in pairs)
    kept = judging.fitting(pairs, lengths[4])
    assert 0 < len(kept) < len(pairs)
    assert all(len(judging.which(pair, first, first).rows) <= lengths[4] for pair in kept for first in (True, False))
