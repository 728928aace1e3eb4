"""The final law of a row against an independent one, corner by corner."""

import math
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ramify.core.sampling import Rule
from ramify.maths.law import final_law
from tests.maths import brute

EXACT = 1e-12  # fp64

LOGIT = st.one_of(
    st.sampled_from([-math.inf, -2.0, 0.0, 0.5, 3.0]), st.floats(-8, 8).map(lambda x: round(x, 3))
)  # ties are frequent
RULES = st.builds(
    Rule,
    temperature=st.one_of(st.sampled_from([0.0, 0.3, 1.0]), st.floats(0.05, 5.0)),
    top_k=st.integers(0, 9),
    top_p=st.one_of(st.just(1.0), st.floats(0.01, 1.0)),
    min_p=st.one_of(st.just(0.0), st.floats(0.0, 1.0)),
    repetition_penalty=st.sampled_from([1.0, 0.5, 1.7]),
    presence_penalty=st.sampled_from([0.0, 0.7, -1.0]),
    frequency_penalty=st.sampled_from([0.0, 0.4, -0.3]),
    logit_bias=st.sampled_from([(), ((0, 2.0),), ((1, -100.0), (2, 0.5))]),
    bad_runs=st.sampled_from([(), ((1,),), ((0, 1), (2, 2, 0)), ((3,), (1, 2))]),
)


def law_of(logits: list[float], rule: Rule, prompt: tuple[int, ...] = (), path: tuple[int, ...] = ()) -> list[float]:
    row_1V = torch.tensor([logits], dtype=torch.float64)
    return final_law(row_1V, rule, [prompt], [path]).dense(len(logits))[0].tolist()


@given(st.lists(LOGIT, min_size=5, max_size=8), RULES, st.lists(st.integers(0, 4)), st.lists(st.integers(0, 4)))
@settings(max_examples=500, deadline=None)
def test_every_combination_against_the_definition(
    logits: list[float], rule: Rule, prompt: list[int], path: list[int]
) -> None:
    want = brute.final_law([*logits, 0.25], rule, prompt, path)  # a token that nothing bans
    adjusted = [brute._adjusted(t, x, rule, prompt, path) for t, x in enumerate([*logits, 0.25])]
    assume(min(brute.edges(adjusted, rule)) > 1e-9 or rule.temperature == 0.0)
    got = law_of([*logits, 0.25], rule, tuple(prompt), tuple(path))
    assert sum(abs(a - b) for a, b in zip(got, want, strict=True)) / 2 < EXACT


@given(st.lists(st.lists(LOGIT, min_size=5, max_size=5), min_size=1, max_size=6), RULES)
@settings(max_examples=100, deadline=None)
def test_rows_do_not_couple(rows: list[list[float]], rule: Rule) -> None:
    rows = [[*row, 0.25] for row in rows]
    paths = [(i % 5, 2, i % 3) for i in range(len(rows))]
    together = final_law(torch.tensor(rows), rule, [(1,)] * len(rows), paths).dense(6)
    for row, path, mass_V in zip(rows, paths, together, strict=True):
        alone = final_law(torch.tensor([row]), rule, [(1,)], [path]).dense(6)[0]
        assert torch.equal(alone, mass_V)


@given(st.lists(LOGIT, min_size=5, max_size=8), RULES, st.lists(st.integers(0, 4)))
@settings(max_examples=100, deadline=None)
def test_logits_are_left_as_they_were(logits: list[float], rule: Rule, path: list[int]) -> None:
    row_1V = torch.tensor([[*logits, 0.25]])
    before = row_1V.clone()
    final_law(row_1V, rule, [(0,)], [path])
    assert torch.equal(row_1V, before)


TIES = [2.0, 3.0, 3.0, 1.0, 3.0]
CORNERS: list[tuple[list[float], dict[str, Any], dict[int, float]]] = [
    (TIES, {"temperature": 0.0}, {1: 1.0}),  # the lowest id of equals
    (TIES, {"top_k": 2}, {1: 0.5, 2: 0.5}),  # exactly k, the lower ids of equals
    (TIES, {"top_k": 1}, {1: 1.0}),
    (TIES, {"top_k": 1, "temperature": 0.0}, {1: 1.0}),
    ([0.0, 0.0], {"top_p": 0.5}, {0: 1.0}),  # mass 0.5 is >= 0.5
    ([0.0, 0.0], {"top_p": 0.500001}, {0: 0.5, 1: 0.5}),
    ([0.0, 1.0], {"top_p": 1e-300}, {1: 1.0}),  # never empty
    ([0.0, 5.0, -5.0], {"min_p": 1.0}, {1: 1.0}),
    ([3.0, 3.0, 1.0], {"min_p": 1.0}, {0: 0.5, 1: 0.5}),  # what equals the largest stays
    ([-math.inf, 1.0, -math.inf], {}, {1: 1.0}),
    ([-math.inf, 1.0, -math.inf], {"top_k": 3, "top_p": 0.9, "min_p": 0.1}, {1: 1.0}),
    ([-math.inf, 1.0, -math.inf], {"temperature": 0.0}, {1: 1.0}),
    ([-math.inf, 1.0, -math.inf], {"temperature": 1e-5}, {1: 1.0}),
    ([1.0], {"top_k": 5, "top_p": 0.1, "min_p": 1.0, "temperature": 0.1}, {0: 1.0}),
    ([1.0, 1.0], {"logit_bias": ((0, -100.0),), "top_k": 1}, {1: 1.0}),
    ([0.0, 9.0], {"bad_runs": ((1,),)}, {0: 1.0}),
    ([0.0, 9.0], {"bad_runs": ((1,),), "temperature": 0.0}, {0: 1.0}),
    ([0.0, 0.0], {"top_k": 50}, {0: 0.5, 1: 0.5}),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("logits", "values", "want"), CORNERS)
def test_corners(logits: list[float], values: dict[str, Any], want: dict[int, float], dtype: torch.dtype) -> None:
    law = final_law(torch.tensor([logits], dtype=dtype), Rule(**values), [()], [()])
    mass_V = law.dense(len(logits))[0]
    assert mass_V.dtype == dtype
    assert mass_V.tolist() == pytest.approx([want.get(t, 0.0) for t in range(len(logits))], abs=1e-7)


@pytest.mark.parametrize("temperature", [1e-3, 1e-20, 1e-38, 1e-45, 1e-300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_towards_temperature_zero_is_greedy(temperature: float, dtype: torch.dtype) -> None:
    logits = torch.tensor([[80.0, 81.0, -300.0, 81.0, -math.inf]], dtype=dtype)
    for cuts in ({}, {"top_k": 4}, {"top_p": 0.9, "min_p": 0.01}):
        law = final_law(logits, Rule(temperature=temperature, **cuts), [()], [()])  # type: ignore[arg-type]
        assert law.dense(5)[0].tolist() == [0.0, 0.5, 0.0, 0.5, 0.0]


def test_a_hot_law_is_flat() -> None:
    assert law_of([1.0, 2.0, 3.0], Rule(temperature=100.0)) == pytest.approx([0.33, 0.333, 0.337], abs=2e-3)


def test_penalties_are_of_ones_own_path() -> None:
    rule = Rule(presence_penalty=1.0, frequency_penalty=0.5)
    logits = [0.0, 0.0, 0.0]
    law = law_of(logits, rule, prompt=(0, 0), path=(1, 1, 2))
    weights = [1.0, math.exp(-2.0), math.exp(-1.5)]  # the prompt does not count
    assert law == pytest.approx([w / sum(weights) for w in weights])


def test_repetition_penalty_shrinks_both_signs() -> None:
    law = law_of([2.0, -2.0, 2.0, -2.0], Rule(repetition_penalty=2.0), prompt=(0,), path=(1, 1))
    weights = [math.exp(x) for x in (1.0, -4.0, 2.0, -2.0)]
    assert law == pytest.approx([w / sum(weights) for w in weights])


@pytest.mark.parametrize(
    ("prompt", "path", "banned"),
    [
        ((), (), False),
        ((5, 1, 2), (), True),  # all of its beginning is in the prompt
        ((5, 1), (2,), True),  # it begins in the prompt
        ((5,), (1, 2), True),
        ((1,), (2, 1), False),
        ((), (2,), False),
        ((), (1, 2), True),
        ((1, 2), (4,), False),
    ],
)
def test_bad_runs_begin_anywhere(prompt: tuple[int, ...], path: tuple[int, ...], banned: bool) -> None:
    law = law_of([0.0] * 6, Rule(bad_runs=((1, 2, 3),)), prompt, path)
    assert (law[3] == 0.0) is banned


def test_masses_sum_to_one_over_a_large_vocabulary() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 50_000) * 3
    for rule in (Rule(), Rule(top_p=0.999), Rule(top_k=40_000), Rule(min_p=1e-6)):
        law = final_law(logits, rule, [()] * 4, [()] * 4)
        assert law.mass_RK.sum(-1).tolist() == pytest.approx([1.0] * 4, abs=1e-5)
        assert law.dense(50_000).shape == (4, 50_000)
