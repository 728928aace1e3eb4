"""Overlaps of n-grams, and votes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.errors import BadInput, UnknownName
from ramify.maths.overlap import overlap, similarities, without_each
from ramify.maths.votes import plurality, votes

LETTERS = st.lists(st.integers(0, 3), max_size=14)


@given(a=LETTERS, b=LETTERS, order=st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_a_similarity(a: list[int], b: list[int], order: int) -> None:
    found = overlap(a, b, order)
    assert 0.0 <= found <= 1.0
    assert found == overlap(b, a, order)
    assert overlap(a, a, order) == 1.0


@given(a=LETTERS, order=st.integers(1, 4))
@settings(max_examples=300, deadline=None)
def test_without_each_is_the_overlap_with_what_is_left(a: list[int], order: int) -> None:
    want = [overlap(a, [*a[:i], *a[i + 1 :]], order) for i in range(len(a))]
    assert without_each(a, order) == pytest.approx(want, abs=1e-12)


def test_kinds() -> None:
    rest = ([[1], [1, 2], [2]], ["x", "xy", "y"])
    assert similarities("answer", ["a", None, "a"], *rest) == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    assert similarities("token", [None] * 3, *rest) == similarities("character", [None] * 3, *rest)
    with pytest.raises(UnknownName, match="did you mean 'token'"):
        similarities("tokens", [None] * 3, *rest)
    with pytest.raises(BadInput, match="texts"):
        similarities("token", [None] * 3, rest[0], ["x"])
    with pytest.raises(BadInput, match="order"):
        overlap("a", "b", 0)


def test_votes() -> None:
    assert plurality(["a", "b", None, "b", "a"]) == 0  # the answer seen first
    assert plurality([None, "b", "a", "a"]) == 2
    assert plurality([None, None]) == 0
    assert list(votes(["b", None, "a", "b"]).items()) == [("b", 2), ("a", 1)]
    with pytest.raises(BadInput, match="nobody votes"):
        plurality([])
