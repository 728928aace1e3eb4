"""How far `Room` went depended on who else was running.

Room was counted against what the whole pool had left, and filling it raised OutOfPages where a neighbour held too
much. A search that fills its pages has reserved them: it counts against these, and nobody takes them while it holds
no more.
"""

from ramify.core.types import Budget, Selection
from ramify.core.wants import Advance, Fork, Room, Search, Tokens
from ramify.engine.driver import Driver
from tests.toys import chosen, grown, prompt, toy


def filling(wait: int) -> Search[Selection]:
    first = yield Fork(prompt(2, 2), 1)
    yield Advance(first, Tokens(wait))
    live = yield Fork(prompt(1, 2, 1), 3)
    tau = yield Advance(live, Room())
    more = yield Advance(live, Room())
    return chosen(live, [{"tau": tau, "more": more}])


def test_neighbours_do_not_shrink_the_room() -> None:
    rounds = []
    for neighbours in (0, 4):
        driver = Driver(toy(num_pages=50))
        for _ in range(neighbours):
            driver.submit(grown(prompt(1, 1), 3, Tokens(40)))
        session = driver.submit(filling(20), budget=Budget(pages=30), reserve=30)
        driver.run()
        assert session.result is not None, session.error
        rounds.append((session.result.rounds, session.ledger.recomputed_tokens))
    assert rounds[0] == rounds[1]
