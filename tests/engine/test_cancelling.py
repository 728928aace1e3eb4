"""A driver that is stepped: searches come, go and are cancelled at any time, and nobody else notices."""

import gc
import random
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.errors import Cancelled
from ramify.core.events import Event
from ramify.core.types import Budget, Selection
from ramify.core.wants import Advance, Finish, Fork, Search, Together, Tokens
from ramify.engine.driver import Driver
from tests.engine.replay import check_replay, replay
from tests.engine.test_fuzz import engine, submit
from tests.engine.test_together import letter, outcome
from tests.toys import JUDGE, chosen, failing, grown, is_empty, prompt, toy


@given(
    seeds=st.lists(st.integers(1, 10**9), min_size=2, max_size=6, unique=True),
    steps=st.integers(0, 40),
    pages=st.sampled_from((25, 60, 3000)),
    rows=st.sampled_from((1, 5, 512)),
    most=st.sampled_from((3, 512)),
)
@settings(max_examples=120, deadline=None)
def test_neighbours_of_a_cancelled_search_do_not_notice(
    seeds: list[int], steps: int, pages: int, rows: int, most: int
) -> None:
    shared = engine(2, num_pages=pages, row_budget=rows)
    driver, events = Driver(shared, letter, most_branches=most), list[Event]()
    gone = submit(driver, seeds[0], watch=events.append)
    others = [submit(driver, seed) for seed in seeds[1:]]
    for _ in range(steps):
        driver.step()
    was_over = gone.over
    driver.cancel(gone)
    shared.check()
    assert not gone.branches and (was_over or isinstance(gone.error, Cancelled))
    check_replay(events, gone, shared.target.codec)
    assert all(branch.dropped is not None for branch in replay(events))
    while driver.step():
        shared.check()
    assert is_empty(shared)
    for seed, session in zip(seeds[1:], others, strict=True):
        alone = Driver(engine(2, num_pages=3000), letter)
        mine = submit(alone, seed)
        alone.run()
        assert outcome(session) == outcome(mine)


def family() -> Search[Selection]:
    def inner(seed: int) -> Search[Selection]:
        live = yield Fork(prompt(1, seed=seed), 2)
        yield Advance(live, Finish())
        return chosen(live)

    yield Together([inner(0), inner(1)])
    raise AssertionError("cancelled before")


def test_inner_searches_go_with_the_one_that_runs_them() -> None:
    made = toy(num_pages=400)
    driver = Driver(made)
    session = driver.submit(family())
    driver.step()
    children = list(session.children)
    assert len(children) == 2 and len(made.branches) == 4
    driver.cancel(session)
    assert is_empty(made)
    assert all(child.closed for child in children)
    assert len(session.tree) == 4
    assert not driver.step()


def test_a_cancelled_inner_search_fails_the_one_that_runs_it() -> None:
    made = toy(num_pages=400)
    driver = Driver(made)
    session = driver.submit(family())
    driver.step()
    driver.cancel(session.children[1])
    assert len(made.branches) == 2
    driver.run()
    assert isinstance(session.error, Cancelled)
    assert is_empty(made)


def test_counts_and_a_search_that_never_began() -> None:
    driver = Driver(toy(), most_branches=2)
    first, second = (driver.submit(grown(prompt(1, seed=i), 2, Tokens(4)), width=2) for i in range(2))
    driver.step()
    assert (driver.waiting, driver.running) == (1, 1)
    driver.cancel(second)
    assert (driver.waiting, driver.running) == (0, 1)
    assert isinstance(second.error, Cancelled) and second.closed
    while driver.step():
        pass
    assert first.result is not None and (driver.waiting, driver.running) == (0, 0)
    driver.cancel(first)
    assert first.error is None
    third = driver.submit(grown(prompt(1), 2, Tokens(4)))
    assert driver.step() and third.error is None


def test_a_driver_forgets_what_is_over() -> None:
    made = toy(num_pages=400)
    driver, dice, gone = Driver(made), random.Random(0), list[weakref.ref[Any]]()
    for i in range(60):
        driver.submit(grown(prompt(1, seed=1000), 2, Tokens(30)))  # somebody is always there
        for _ in range(3):
            session = driver.submit(
                grown(prompt(1, 2, seed=i), 2, Tokens(3), score=True), reward=JUDGE, watch=[].append
            )
            gone.append(weakref.ref(session))
            if dice.random() < 0.3:
                driver.cancel(session)
        del session
        for _ in range(12):
            driver.step()
    gc.collect()
    assert sum(each() is not None for each in gone) <= 4
    assert driver.running <= 4


def test_an_error_of_the_engine_drops_everybody() -> None:
    made = toy(num_pages=400)
    driver = Driver(made)
    driver.submit(grown(prompt(1, 2), 2, Tokens(3)), watch=[].append)
    with failing(made, RuntimeError("device")), pytest.raises(RuntimeError, match="device"):
        driver.step()
    assert is_empty(made) and not driver.step()
    again = driver.submit(grown(prompt(1, 2), 2, Tokens(3)), budget=Budget(tokens=4))
    driver.run()
    assert again.result is not None
