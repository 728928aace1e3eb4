"""Monte Carlo tree search: selection, backup, rollouts, and its simpler settings."""

import math
from typing import Any

import pytest

from ramify.core.errors import BadInput, UnknownName
from ramify.core.tree import Node, back_up, grow, promising, scale_of
from ramify.core.types import Branch
from tests.search.runs import best, drawn, run, selection
from tests.toys import prompt

STEP = {"step": "b", "max_step_tokens": 3}
SEEDS = range(8)
UNENDED = prompt(1, 2, 1, max_tokens=12)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_simulation_with_rollout_is_best_of_n(seed: int) -> None:
    mine = run("mcts", seed=seed, simulations=1, width=5, rollout=True, **STEP)
    plain = run("best-of-n", seed=seed, n=5)
    assert (drawn(mine), best(mine)) == (drawn(plain), best(plain))


@pytest.mark.parametrize("simulations", [1, 3, 99])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_child_is_a_sample(seed: int, simulations: int) -> None:
    assert best(run("mcts", seed=seed, simulations=simulations, width=1, **STEP)) == best(run("sample", seed=seed))


@pytest.mark.parametrize("rollout", [False, True])
@pytest.mark.parametrize("backup", ["mean", "max"])
def test_nothing_is_read_twice_and_something_is_finished(backup: str, rollout: bool) -> None:
    session = run("mcts", source=UNENDED, simulations=8, width=3, backup=backup, rollout=rollout, **STEP)
    chosen = selection(session)
    assert session.ledger.recomputed_tokens == 0
    assert chosen.best.stopped_because == "length"
    assert chosen.best.score == max(e.score for e in chosen.ended if e.branch.done)  # type: ignore[type-var]
    assert len(chosen.rounds) == 8


def test_it_stops_when_every_way_has_ended() -> None:
    chosen = selection(run("mcts", source=prompt(1, 2, max_tokens=2), simulations=500, width=2, step="b"))
    assert len(chosen.rounds) < 10
    assert all(e.branch.done for e in chosen.ended)


def node(score: float, branch: Branch, ended: bool = False) -> Node:
    [made] = grow(None, [branch], [len(branch.tokens) - (not ended)], [score])
    return made


def test_curiosity_and_value_choose_the_leaf() -> None:
    """Without curiosity the highest value; with much of it the one visited least; what all ended is left alone."""
    [branch] = [e.branch for e in selection(run("sample")).ended]
    good, bad, closed = node(1.0, branch), node(0.0, branch), node(2.0, branch, ended=True)
    for _ in range(3):
        back_up(good, 1.0)
    scale = scale_of([0.0, 2.0, -math.inf])
    assert promising([bad, good, closed], 0.0, scale) is good
    assert promising([bad, good, closed], 9.0, scale) is bad
    back_up(good, -math.inf)
    assert promising([bad, good, closed], 0.0, scale) is bad
    assert (good.value("max"), good.value("mean")) == (1.0, -math.inf)
    assert promising([closed], 1.0, scale) is closed


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"simulations": 0}, BadInput),
        ({"width": 0}, BadInput),
        ({"c": -1.0}, BadInput),
        ({"backup": "median"}, UnknownName),
        ({"step": ""}, BadInput),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        run("mcts", **options)
