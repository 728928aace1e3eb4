"""One search could end all others, or hang the driver.

Only ramify's own errors were kept from the neighbours: a TypeError in a search, a reward whose model was unknown or
too small, or a search that raised while it was closed ended everybody's run. A search that yielded no want, or
returned no selection, was never over.
"""

from typing import Any

import pytest

from ramify.core.types import Selection
from ramify.core.wants import Advance, Drop, Fork, Score, Search, Tokens
from ramify.engine.driver import Driver
from ramify.reward.outcome import OutcomeReward
from tests.toys import JUDGE, grown, is_empty, prompt, toy


def confused(kind: str) -> Search[Any]:
    live = yield Fork(prompt(1, 2), 2)
    yield Advance(live, Tokens(9))
    if kind == "raises":
        raise TypeError(kind)
    if kind == "yields nonsense":
        yield 5  # type: ignore[misc]
    if kind == "returns nothing":
        return None
    if kind == "advances the dropped":
        yield Drop(live)
        yield Advance(live, Tokens(1))
    if kind == "scores the dropped":
        yield Drop(live)
    try:
        yield Score(live)
    finally:
        if kind == "raises while it is closed":
            raise LookupError(kind)
    return None


KINDS = ("raises", "yields nonsense", "returns nothing", "advances the dropped", "scores the dropped")


@pytest.mark.parametrize("kind", [*KINDS, "raises while it is closed", "unknown model", "small model"])
def test_the_neighbour_ends_well(kind: str) -> None:
    engine = toy(judge_pages=3 if kind == "small model" else 64)
    reward = {"unknown model": OutcomeReward("x", "y"), "raises while it is closed": None}.get(kind, JUDGE)
    driver = Driver(engine)
    bad = driver.submit(confused(kind), reward=reward)
    good = driver.submit(grown(prompt(1, 2), 2, Tokens(3)))
    driver.run()
    assert isinstance(bad.error, Exception)
    assert isinstance(good.result, Selection)
    assert is_empty(engine)
