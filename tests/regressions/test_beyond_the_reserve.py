"""A search that needed more than it had reserved failed, though pages of its own lay idle.

Nobody takes the pages of a search that holds no more than it reserved. It did not take them itself either: its branches
that were not about to draw kept theirs, and the one that drew ended the search with OutOfPages.
"""

from ramify.core.types import Budget, Selection
from ramify.core.wants import Advance, Fork, Search, Tokens
from ramify.engine.driver import run_alone
from tests.toys import chosen, prompt, texts, toy


def in_turn() -> Search[Selection]:
    live = yield Fork(prompt(1, 2), 3)
    for branch in live:
        yield Advance([branch], Tokens(20))
    return chosen(live)


def test_it_takes_its_own() -> None:
    plenty = run_alone(toy(), in_turn())
    short = run_alone(toy(num_pages=24), in_turn(), budget=Budget(pages=24), reserve=24)
    assert texts(short.result) == texts(plenty.result)
