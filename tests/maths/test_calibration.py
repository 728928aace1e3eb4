"""Calibration is uniform under the reference, and transforms win what they are made for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.core.errors import BadInput, UnknownName
from ramify.maths.alignment import at_kl, best_of_n, kl, win_rate
from ramify.maths.calibration import NAMES, calibrate_and_transform, calibrated, transform

SIZE, N, KL = 64, 4, 1.0
P = [1 / SIZE] * SIZE
REWARDS = [math.log1p(i) for i in range(SIZE)]  # strongly curved
U = calibrated(REWARDS, REWARDS)
MINUS = [-r for r in REWARDS]


def aligned(name: str, t: float = 10.0) -> list[float]:
    """The policy tilted by the transformed reward, all at the same KL from the reference."""
    change = transform(name, t)
    policy = at_kl(P, [change(u) for u in U], KL).tolist()
    assert kl(policy, P) == pytest.approx(KL, abs=1e-9)
    return policy


def of_n(policy: list[float], rewards: list[float]) -> list[float]:
    return best_of_n(policy, rewards, N).tolist()


def test_transformed_optimum_wins_best_of_n() -> None:
    """Win rate of the best of N against the reference's best of N, at equal KL."""
    reference = of_n(P, REWARDS)
    rates = {name: win_rate(of_n(aligned(name), REWARDS), reference, REWARDS) for name in ("identity", "best-of-n")}
    raw = win_rate(of_n(at_kl(P, REWARDS, KL).tolist(), REWARDS), reference, REWARDS)
    assert rates["best-of-n"] > rates["identity"] + 0.005 and rates["best-of-n"] > raw
    assert rates["identity"] > 0.75


def test_transformed_optimum_wins_worst_of_n() -> None:
    """The worst of N draws is the best by the negated reward."""
    reference = of_n(P, MINUS)
    rates = {name: win_rate(of_n(aligned(name), MINUS), reference, REWARDS) for name in ("identity", "worst-of-n")}
    assert rates["worst-of-n"] > rates["identity"] + 0.005


def test_identity_wins_a_single_draw() -> None:
    """Without best-of-n afterwards the calibrated reward itself is what to tilt by: its mean is the win rate."""
    single = {name: win_rate(aligned(name), P, REWARDS) for name in ("identity", "best-of-n", "worst-of-n", "log")}
    assert max(single, key=single.__getitem__) == "identity"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_uniform_under_the_reference(reference: list[float]) -> None:
    u = calibrated(reference, reference)
    assert sum(u) / len(u) == pytest.approx(0.5)
    if len(set(reference)) == len(reference):
        assert sorted(u) == pytest.approx([(i + 0.5) / len(u) for i in range(len(u))])


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30), st.lists(st.integers(-60, 60), min_size=1))
def test_only_the_order_matters(reference: list[int], rewards: list[int]) -> None:
    bent = calibrated([math.exp(r / 9) for r in rewards], [math.exp(r / 9) for r in reference])
    assert bent == calibrated(rewards, reference)


def test_ends_and_ties() -> None:
    assert calibrated([-math.inf, 0.0, 1.0, 2.0, math.inf], [1.0, 1.0, 0.0, 3.0]) == [0.0, 0.125, 0.5, 0.75, 1.0]


def test_transforms() -> None:
    assert transform("identity")(0.3) == 0.3
    assert transform("log")(0.3) == math.log(0.3) and transform("log")(0.0) == -math.inf
    assert transform("exponential", 2.0)(0.3) == pytest.approx(math.exp(0.6))
    assert transform("worst-of-n", 2.0)(0.3) == pytest.approx(-math.exp(-0.6))
    assert calibrate_and_transform([5.0], [1.0, 9.0], "best-of-n", 3.0) == [pytest.approx(math.exp(1.5))]
    for name in NAMES:
        values = [transform(name)(u) for u in (0.0, 0.2, 0.5, 1.0)]
        assert values == sorted(values) and len(set(values)) == 4


def test_bad_input() -> None:
    with pytest.raises(BadInput, match="reference: 0 given"):
        calibrated([1.0], [])
    with pytest.raises(BadInput, match="rewards: number 0 is NaN"):
        calibrated([math.nan], [1.0])
    with pytest.raises(UnknownName, match="did you mean 'exponential'"):
        transform("exponentail")
    with pytest.raises(BadInput, match="t: 0"):
        transform("best-of-n", 0.0)
    with pytest.raises(BadInput, match="calibrated reward"):
        transform("log")(1.5)
