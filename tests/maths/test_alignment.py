"""Closed forms of alignment: against enumeration of all draws, and against one another in their limits."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.maths.alignment import (
    at_kl,
    best_of_n,
    best_of_n_kl_bound,
    expected,
    frontier,
    kl,
    memoryless,
    soft_best_of_n,
    tilted,
    win_rate,
)

P, R = [0.4, 0.1, 0.2, 0.0, 0.3], [1.0, 3.0, 1.0, 9.0, -2.0]  # two texts tie, and the best cannot be drawn


def enumerated(n: int, beta: float | None) -> list[float]:
    """Over all n-tuples of draws: best-of-n with ties to the earliest, or soft best-of-n."""
    law = [0.0] * len(P)
    for draws in product(range(len(P)), repeat=n):
        chance = math.prod(P[y] for y in draws)
        if beta is None:
            law[max(draws, key=R.__getitem__)] += chance  # max keeps the earliest of equals
        else:
            weights = [math.exp(R[y] / beta) for y in draws]
            for y, w in zip(draws, weights, strict=True):
                law[y] += chance * w / sum(weights)
    return law


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_best_of_n_by_enumeration(n: int) -> None:
    assert best_of_n(P, R, n) == pytest.approx(enumerated(n, None), abs=1e-14)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("beta", [0.3, 1.0, 7.0])
def test_soft_best_of_n_by_enumeration(n: int, beta: float) -> None:
    assert soft_best_of_n(P, R, n, beta) == pytest.approx(enumerated(n, beta), abs=1e-14)


def test_ladder() -> None:
    assert best_of_n(P, R, 1) == pytest.approx(P)
    assert soft_best_of_n(P, R, 4, 1e9) == pytest.approx(P, abs=1e-8)
    assert soft_best_of_n(P, R, 4, 1e-3) == pytest.approx(best_of_n(P, R, 4))
    assert tilted(P, R, 1e9) == pytest.approx(P, abs=1e-7)
    assert tilted(P, [2.0] * 5, 0.1) == pytest.approx(P)
    assert best_of_n(P, R, 1e6) == pytest.approx([0, 1, 0, 0, 0])


def test_soft_best_of_n_approaches_the_tilted_law_like_one_over_n() -> None:
    p, r, beta = [0.5, 0.3, 0.2], [0.0, 1.0, 2.0], 0.8
    gaps = [kl(tilted(p, r, beta).tolist(), soft_best_of_n(p, r, n, beta).tolist()) for n in (8, 16, 32, 64)]
    assert all(a / b > 1.8 for a, b in pairwise(gaps)), gaps


LAWS = st.lists(st.tuples(st.floats(0.01, 1), st.floats(-3, 3)), min_size=2, max_size=6)


@given(LAWS, st.floats(0.1, 5), st.lists(st.floats(0.01, 1), min_size=6, max_size=6))
@settings(max_examples=100, deadline=None)
def test_nothing_beats_the_tilted_law(law: list[tuple[float, float]], beta: float, other: list[float]) -> None:
    p = [mass / sum(m for m, _ in law) for mass, _ in law]
    r = [reward for _, reward in law]
    q = [mass / sum(other[: len(p)]) for mass in other[: len(p)]]
    best = tilted(p, r, beta).tolist()
    value = expected(best, r) - beta * kl(best, p)
    assert value >= expected(q, r) - beta * kl(q, p) - 1e-12
    assert value == pytest.approx(beta * math.log(sum(m * math.exp(x / beta) for m, x in zip(p, r, strict=True))))


@given(LAWS, st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_best_of_n_stays_within_its_kl_bound_and_below_the_frontier(law: list[tuple[float, float]], n: int) -> None:
    p = [mass / sum(m for m, _ in law) for mass, _ in law]
    r = [reward for _, reward in law]
    q = best_of_n(p, r, n).tolist()
    spent = kl(q, p)
    assert spent <= best_of_n_kl_bound(n) + 1e-12
    assert all(expected(q, r) - beta * spent <= point.reward - beta * point.kl + 1e-9 for beta in (0.2, 1.0, 4.0)
               for point in frontier(p, r, [beta]))  # fmt: skip


def test_the_bound_is_reached_by_many_small_texts() -> None:
    size, n = 20000, 6
    assert kl(best_of_n([1 / size] * size, list(range(size)), n).tolist(), [1 / size] * size) == pytest.approx(
        best_of_n_kl_bound(n), abs=1e-3
    )


def test_at_kl_spends_exactly_that() -> None:
    for delta in (0.01, 0.5, 2.0):
        assert kl(at_kl(P, R, delta).tolist(), P) == pytest.approx(delta, abs=1e-9)
    rewards = [point.reward for point in frontier(P, R, [8.0, 2.0, 0.5, 0.1])]
    assert rewards == sorted(rewards)


def test_best_of_n_approaches_the_tilted_optimum_as_texts_grow() -> None:
    """n = exp(m delta) draws of m letters: the reward a letter against that of the tilted letters of KL delta."""
    p, r, delta = [0.5, 0.3, 0.2], [0, 1, 3], 0.2
    target = expected(at_kl(p, [float(x) for x in r], delta).tolist(), [float(x) for x in r])
    gaps = []
    for m in (10, 40, 160, 640):
        mass, reward = memoryless(p, r, m)
        gaps.append(abs(expected(best_of_n(mass, reward, math.exp(m * delta)).tolist(), reward) / m - target))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.01 < gaps[0], gaps


def test_memoryless_by_enumeration() -> None:
    p, r, m = [0.2, 0.5, 0.3], [2, -1, 0], 4
    mass, reward = memoryless(p, r, m)
    every: dict[float, float] = {}
    for letters in product(range(3), repeat=m):
        total = float(sum(r[v] for v in letters))
        every[total] = every.get(total, 0.0) + math.prod(p[v] for v in letters)
    assert {x: y for x, y in zip(reward, mass, strict=True) if y > 1e-15} == pytest.approx(every)


def test_win_rate() -> None:
    assert win_rate(P, P, R) == pytest.approx(0.5)
    assert win_rate([0, 1, 0, 0, 0], P, R) == pytest.approx(1 - 0.1 / 2)
    assert win_rate(P, [0, 1, 0, 0, 0], R) == pytest.approx(0.1 / 2)


def test_infinite_divergence() -> None:
    assert kl([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert kl([1.0, 0.0], [0.5, 0.5]) == pytest.approx(math.log(2))


def test_bad_input() -> None:
    for call, says in (
        (lambda: tilted([0.5, 0.4], [0, 1], 1.0), "sum to 0.9"),
        (lambda: tilted([0.5, 0.5], [0, math.nan], 1.0), "NaN"),
        (lambda: tilted([0.5, 0.5], [0, -math.inf], 1.0), "outside"),
        (lambda: tilted([0.5, 0.5], [0], 1.0), "1 given, 2 needed"),
        (lambda: tilted([0.5, 0.5], [0, 1], 0.0), "not above 0"),
        (lambda: tilted([], [], 1.0), "at least 1"),
        (lambda: best_of_n([0.5, 0.5], [0, 1], 0), "n: "),
        (lambda: soft_best_of_n([0.05] * 20, [1.0] * 20, 20, 1.0), "multisets"),
        (lambda: at_kl([0.5, 0.5], [0, 1], 0.7), "outside"),
        (lambda: memoryless([0.5, 0.5], [0, 1], 0), "m: "),
    ):
        with pytest.raises(BadInput, match=says):
            call()


def test_flat_rewards_have_no_frontier() -> None:
    with pytest.raises(BadInput, match="delta"):
        at_kl([0.5, 0.5], [1.0, 1.0], 0.1)
    assert np.allclose(best_of_n([0.5, 0.5], [1.0, 1.0], 9), 0.5)
