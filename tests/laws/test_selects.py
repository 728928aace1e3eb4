"""Every registered selection rule keeps the laws of `Select`."""

from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.protocols import Select
from ramify.core.registry import lookup, names
from ramify.core.types import Ended
from tests.toys import prompt, toy

ENGINE = toy(num_pages=500)
SCORE = st.one_of(st.none(), st.sampled_from([-1.0, 0.0, 2.0]), st.floats(-1e300, 1e300))
ANSWER = st.one_of(st.none(), st.sampled_from(["a", "b", 0, (1, 2)]))
PAIRS = st.lists(st.tuples(SCORE, ANSWER), min_size=1, max_size=9)
every_rule = pytest.mark.parametrize(
    "rule", [pytest.param(lookup("select", name), id=name) for name in names("select")]
)


def ended(pairs: list[tuple[float | None, Hashable]], length: int = 1) -> list[Ended]:
    return [Ended(ENGINE.open(prompt(*[1] * length)), score, answer, "stop") for score, answer in pairs]


@every_rule
@given(pairs=PAIRS)
@settings(max_examples=150, deadline=None)
def test_one_of_its_arguments(rule: Select, pairs: list[tuple[float | None, Hashable]]) -> None:
    candidates = ended(pairs)
    assert any(rule(candidates) is e for e in candidates)


@every_rule
@given(pairs=PAIRS)
@settings(max_examples=150, deadline=None)
def test_nothing_but_scores_answers_and_order(rule: Select, pairs: list[tuple[float | None, Hashable]]) -> None:
    candidates, others = ended(pairs), ended(pairs, length=3)
    assert candidates.index(rule(candidates)) == others.index(rule(others))
    assert rule(tuple(candidates)) is rule(candidates)


@every_rule
@given(pair=st.tuples(SCORE, ANSWER))
@settings(max_examples=50, deadline=None)
def test_one_of_one(rule: Select, pair: tuple[float | None, Hashable]) -> None:
    (only,) = ended([pair])
    assert rule([only]) is only


@every_rule
@given(pairs=PAIRS)
@settings(max_examples=100, deadline=None)
def test_the_same_again_and_nothing_changed(rule: Select, pairs: list[tuple[float | None, Hashable]]) -> None:
    candidates = ended(pairs)
    before = list(candidates)
    assert rule(candidates) is rule(candidates)
    assert candidates == before


@every_rule
@given(pairs=PAIRS)
@settings(max_examples=100, deadline=None)
def test_the_chosen_again_beside_the_others_stays_chosen(
    rule: Select, pairs: list[tuple[float | None, Hashable]]
) -> None:
    """Another candidate that equals the chosen one does not change the answer."""
    candidates = ended(pairs)
    chosen = rule(candidates)
    again = rule([*candidates, Ended(ENGINE.open(prompt(2)), chosen.score, chosen.answer, "stop")])
    assert (again.score, again.answer) == (chosen.score, chosen.answer) or again.answer == chosen.answer
