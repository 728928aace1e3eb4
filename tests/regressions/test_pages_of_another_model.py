"""Pages were given up in the wrong model.

Where a question to another model, or a judge, found no pages of that model, the driver took the target's from everybody
and gave up then. And a text too long for all the pages of whoever writes it stalled or ended whoever ran beside it.
OutOfPages says whose pages are short, and which branch is beyond help.
"""

from ramify.core.errors import OutOfPages
from ramify.core.types import Selection
from ramify.core.wants import Advance, Ask, Finish, Fork, Search, Tokens
from ramify.engine.driver import Driver
from ramify.engine.engine import Engine
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.toys import chosen, grown, is_empty, prompt, toy


def engine(small_pages: int) -> Engine:
    made = toy(num_pages=200)
    made.others["small"] = toy_model("small", ToyModel(salt=9), num_pages=small_pages, max_positions=64)
    return made


def test_a_question_makes_room_where_it_is_asked() -> None:
    def search(seed: int) -> Search[Selection]:
        live = yield Fork(prompt(1, 2, 1, 2, 1, 1, seed=seed, max_tokens=8), 3)
        yield Advance(live, Tokens(4))
        found = yield Ask(live, "ab", ("a", "bab"), "small")
        return chosen(live, [{"found": found}])

    found = []
    for pages in (200, 9):
        shared = engine(pages)
        driver = Driver(shared)
        sessions = [driver.submit(search(seed)) for seed in range(4)]
        driver.run()
        assert not [s.error for s in sessions if s.error]
        assert not sum(s.ledger.model("target").recomputed for s in sessions)
        found.append([s.result.rounds for s in sessions if s.result is not None])
    assert found[0] == found[1]


def test_a_writer_without_room_ends_its_own_search() -> None:
    def written() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, 1, max_tokens=30), 1)
        yield Advance(live, Finish(), by="small")
        return chosen(live)

    shared = engine(4)
    driver = Driver(shared)
    others = [driver.submit(grown(prompt(2, 1, seed=seed), 3, Tokens(20))) for seed in range(2)]
    bad = driver.submit(written())
    others.append(driver.submit(grown(prompt(2, 1, seed=9), 3, Tokens(20))))
    driver.run()
    assert isinstance(bad.error, OutOfPages)
    assert not [s.error for s in others if s.error]
    assert is_empty(shared)
