"""Pessimistic best-of-n."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.core.types import Budget
from ramify.search.pessimistic_best_of_n import acceptance, normaliser, pessimistic_best_of_n
from tests.search.runs import best, drawn, run, selection
from tests.search.scripted import SOURCE, Script

REWARDS = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12)


@given(r=REWARDS, beta=st.floats(1e-3, 1e3))
@settings(max_examples=300, deadline=None)
def test_weights_have_mean_one(r: list[float], beta: float) -> None:
    lambda_ = normaliser(r, beta)
    mean = math.fsum(max(0.0, score - lambda_) / beta for score in r) / len(r)
    assert mean == pytest.approx(1.0, abs=1e-9 * max(1.0, 1e3 / beta))
    found, accept = acceptance(r, beta)
    assert found == lambda_
    assert max(accept) == 1.0
    assert accept[r.index(max(r))] == 1.0
    assert min(accept) >= 0.0


def test_by_hand() -> None:
    """relu(r - lambda) / 0.5 of 1, 2, 3 has mean 1 at 7/4: 0 + 1/2 + 5/2 = 3."""
    lambda_, accept = acceptance([1.0, 2.0, 3.0], 0.5)
    assert (lambda_, accept) == (1.75, [0.0, 0.2, 1.0])
    assert acceptance([1.0, 2.0, 3.0], 0.5, r_max=4.25)[1] == pytest.approx([0.0, 0.1, 0.5])
    assert acceptance([1.0, 3.0, 3.0], 0.0) == (3.0, [0.0, 1.0, 1.0])
    assert acceptance([-math.inf, 3.0], 0.5) == (2.0, [0.0, 1.0])
    assert acceptance([-math.inf] * 2, 0.5)[1] == [1.0, 1.0]


@pytest.mark.parametrize("seed", range(6))
def test_ladder(seed: int) -> None:
    greedy, plain = (
        run(m, seed=seed, n=7, **o) for m, o in (("pessimistic-best-of-n", {"beta": 0}), ("best-of-n", {}))
    )
    assert (drawn(greedy), best(greedy)) == (drawn(plain), best(plain))
    for options in ({"n": 1}, {"n": 7, "beta": 1e15}):
        assert best(run("pessimistic-best-of-n", seed=seed, **options)) == best(run("sample", seed=seed))


@pytest.mark.parametrize(("toss", "want"), [(0.1, 1), (0.3, 2)])
def test_draws_are_accepted_in_their_order(toss: float, want: int) -> None:
    found = Script(scores=[1.0, 2.0, 3.0], toss=toss).run(pessimistic_best_of_n(SOURCE, n=3, beta=0.5))
    assert found.best is found.ended[want]
    assert len(found.ended) == 3


def test_one_more_where_nobody_is_accepted() -> None:
    script = Script(scores=[1.0, 2.0, 3.0, 0.25], toss=0.75)
    found = script.run(pessimistic_best_of_n(SOURCE, n=3, beta=0.5, r_max=4.25))
    assert (found.best, len(found.ended), found.best.score) == (found.ended[3], 4, 0.25)


def test_more_draws_do_not_chase_an_outlier() -> None:
    """The optimum's weights grow no faster than linearly: of 1000 draws with one outlier it keeps more than one."""
    r = [0.01 * i for i in range(999)] + [30.0]
    _, accept = acceptance(r, 5.0)
    assert sum(a > 0 for a in accept) > 300
    assert acceptance(r, 1e-6)[1].count(0.0) == 999


@pytest.mark.parametrize("tokens", [1, 20, 26])
def test_what_the_budget_cut_is_no_draw(tokens: int) -> None:
    for seed in range(8):
        session = run("pessimistic-best-of-n", seed=seed, n=6, r_max=9.0, budget=Budget(tokens=tokens))
        whole = [e for e in selection(session).ended if e.stopped_because != "budget"]
        assert not whole or selection(session).best in whole


def test_bad_input() -> None:
    for wrong in ({"n": 0}, {"beta": -0.1}, {"r_max": math.nan}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            run("pessimistic-best-of-n", **wrong)
    with pytest.raises(BadInput, match="r_max: a draw has reward"):
        run("pessimistic-best-of-n", r_max=-5.0)
