"""The n-gram model: a law over what was seen and one token more, by counts; shorter contexts where long ones lack."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.maths.ngram import NGram

texts = st.lists(st.lists(st.integers(0, 4), max_size=12), max_size=4)


@given(texts, st.lists(st.integers(0, 6), max_size=5), st.integers(1, 4))
def test_masses_sum_to_one_over_the_tokens_seen_and_one_more(some: list[list[int]], context: list[int], n: int) -> None:
    model, seen = NGram(some, n), {token for text in some for token in text}
    masses = [model.probability(context, token) for token in (*seen, 99)]
    assert sum(masses) == pytest.approx(1.0)
    assert min(masses) > 0


@given(texts, st.lists(st.integers(0, 6), max_size=8), st.integers(1, 4))
def test_it_looks_no_further_back_than_its_order(some: list[list[int]], context: list[int], n: int) -> None:
    model = NGram(some, n)
    assert model.probability(context, 1) == model.probability(context[max(0, len(context) - n + 1) :], 1)


def test_by_hand() -> None:
    model = NGram([[1, 2, 1, 2, 3]], order=2)
    unigram = (2 + 3 * 1 / 4) / (5 + 3)
    assert model.probability([], 2) == pytest.approx(unigram)
    assert model.probability([1], 2) == pytest.approx((2 + 1 * unigram) / (2 + 1))
    assert model.probability([9], 2) == pytest.approx(unigram)  # never seen: the shorter context
    assert NGram([], 3).probability([1], 2) == 1.0  # nothing is known: nothing is preferred


def test_no_run_goes_from_one_text_into_the_next() -> None:
    assert NGram([[1], [2]], 2).probability([1], 2) == NGram([[1], [2]], 2).probability([], 2)


def test_orders() -> None:
    with pytest.raises(BadInput, match="order"):
        NGram([], 0)
