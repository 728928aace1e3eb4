"""Soft best-of-n."""

import math

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget
from ramify.search.soft_best_of_n import soft_best_of_n
from tests.search.runs import LENGTH, best, drawn, run, selection
from tests.search.scripted import SOURCE, Script


@pytest.mark.parametrize("seed", range(6))
def test_cold_is_best_of_n_and_n_1_is_sampling(seed: int) -> None:
    cold, plain = (run(name, seed=seed, n=7, **o) for name, o in (("soft-best-of-n", {"beta": 0.0}), ("best-of-n", {})))
    assert (drawn(cold), best(cold)) == (drawn(plain), best(plain))
    assert best(run("soft-best-of-n", seed=seed, n=7, beta=1e-9)) == best(plain)
    assert best(run("soft-best-of-n", seed=seed, n=1)) == best(run("sample", seed=seed))


def test_weights_are_a_softmax() -> None:
    found = selection(run("soft-best-of-n", n=5, beta=2.0, reward=LENGTH))
    mass = [math.exp((e.score or 0.0) / 2.0) for e in found.ended]
    assert found.weights == pytest.approx([m / sum(mass) for m in mass])
    assert found.log_evidence == pytest.approx(math.log(sum(mass) / 5))


@pytest.mark.parametrize(("toss", "want"), [(0.0, 0), (0.24, 0), (0.26, 1), (0.99, 2)])
def test_the_toss_chooses(toss: float, want: int) -> None:
    scores = [0.0, math.log(2.0), 0.0]
    found = Script(scores=scores, toss=toss).run(soft_best_of_n(SOURCE, n=3, beta=1.0))
    assert found.best is found.ended[want]


def test_rewards_that_say_nothing() -> None:
    for scores in ([3.0] * 3, [-math.inf] * 3):
        found = Script(scores=scores, toss=0.5).run(soft_best_of_n(SOURCE, n=3))
        assert (found.best, found.weights) == (found.ended[1], pytest.approx((1 / 3, 1 / 3, 1 / 3)))
    one = Script(scores=[-math.inf, -7e300, -math.inf], toss=0.01).run(soft_best_of_n(SOURCE, n=3, beta=1e-9))
    assert one.best is one.ended[1]


@pytest.mark.parametrize("tokens", [1, 20, 26])
def test_what_the_budget_cut_is_no_draw(tokens: int) -> None:
    for seed in range(8):
        found = selection(run("soft-best-of-n", seed=seed, n=6, budget=Budget(tokens=tokens)))
        whole = [e for e in found.ended if e.stopped_because != "budget"]
        assert not whole or found.best in whole


@pytest.mark.parametrize("wrong", [{"n": 0}, {"beta": -1.0}, {"beta": math.nan}, {"beta": math.inf}])
def test_bad_input(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match=next(iter(wrong))):
        run("soft-best-of-n", **wrong)
