"""Toss: a uniform number that belongs to a place, and to nothing else."""

import math
from itertools import pairwise, product
from typing import Any

import pytest

from ramify.core.types import Prompt, Selection
from ramify.core.wants import Advance, Fork, Rephrase, Search, Together, Tokens, Toss
from ramify.engine.draws import addressed_toss
from ramify.engine.driver import Driver, run_alone
from tests.toys import chosen, grown, prompt, toy

CELLS, THROWS = 20, 20_000
LIMIT = 45.31  # chi-square, 19 degrees of freedom: exceeded once in 1667 (p = 0.0006) if the numbers are uniform


def tossing(source: Prompt, rounds: int = 3) -> Search[Selection]:
    live = yield Fork(source, 3)
    found: list[float] = []
    for at in range(rounds):
        for place in (source, *live):
            found.append((yield Toss(place, (at, 7), (0.5,))))
        yield Advance(live, Tokens(1))
    for at in range(rounds):  # again, later: the same
        for place in (source, *live):
            found.append((yield Toss(place, (at, 7), ())))
    return chosen(live, [{"found": found}])


def found_by(session: Any) -> list[float]:
    assert session.result is not None
    return list(session.result.rounds[0]["found"])


def test_the_same_for_the_same_place_and_another_for_another() -> None:
    found = found_by(run_alone(toy(), tossing(prompt(1, 2, max_tokens=9))))
    first, again = found[:12], found[12:]
    assert first == again
    assert len(set(first)) == 12


def test_neighbours_do_not_matter() -> None:
    alone = [found_by(run_alone(toy(), tossing(prompt(1, 2, seed=s, max_tokens=9)))) for s in range(4)]
    driver = Driver(toy(num_pages=400, row_budget=3))
    beside = [driver.submit(grown(prompt(1, 2, seed=s, max_tokens=9), 4, Tokens(5))) for s in range(3)]
    sessions = [driver.submit(tossing(prompt(1, 2, seed=s, max_tokens=9))) for s in range(4)]
    driver.run()
    assert [found_by(s) for s in sessions] == alone
    assert len({u for some in alone for u in some}) == 4 * 12
    assert all(s.error is None for s in beside)


def chi_square(numbers: list[float]) -> float:
    counts = [0] * CELLS
    for number in numbers:
        counts[int(number * CELLS)] += 1
    expected = len(numbers) / CELLS
    return sum((count - expected) ** 2 / expected for count in counts)


def test_uniform_over_places() -> None:
    """Over addresses, over keys of one number, over pairs. Fixed places; false alarm rate of each: 0.0006."""
    by_address = [addressed_toss(a * 2654435761 % 2**64, (1,), ()) for a in range(THROWS)]
    by_key = [addressed_toss(99, (a,), ()) for a in range(THROWS)]
    by_pair = [addressed_toss(99, pair, ()) for pair in product(range(200), range(100))]
    for numbers in (by_address, by_key, by_pair):
        assert all(0 <= number < 1 for number in numbers)
        assert chi_square(numbers) < LIMIT
    assert len({*by_key, *by_pair}) == 2 * THROWS


def test_independent_of_their_neighbours() -> None:
    """Numbers of consecutive keys, of consecutive rounds, of a toss and its own sub-key: correlation within 3.5
    standard errors (false alarm rate 0.0005)."""
    rows = [[addressed_toss(7, (a, b), ()) for b in range(2)] for a in range(THROWS)]
    whole = [addressed_toss(7, (a,), ()) for a in range(THROWS)]
    pairs = [
        [(row[0], row[1]) for row in rows],
        [(a[0], b[0]) for a, b in pairwise(rows)],
        [(row[0], u) for row, u in zip(rows, whole, strict=True)],
    ]
    for pair in pairs:
        products = [(x - 0.5) * (y - 0.5) * 12 for x, y in pair]
        assert abs(sum(products)) / math.sqrt(len(products)) < 3.5


def test_inner_searches_and_other_texts_toss_for_themselves() -> None:
    def search() -> Search[Selection]:
        source = prompt(1, 2, max_tokens=9)
        found = yield Together([tossing(source.nested(i), 1) for i in range(4)])
        first: list[Prompt] = yield Rephrase(source, ["ab", "ab", "ba"])
        second: list[Prompt] = yield Rephrase(source, ["b", "ab"])
        assert second[0].tokens == (1, 2) or first[0].text == "ab"
        live = yield Fork(source, 1)
        places = [source, *live, *(source.nested(i) for i in range(4)), *first, second[0]]
        assert len({place.address for place in places}) == len(places)
        return chosen([s.best.branch for s in found], [{"found": [u for s in found for u in s.rounds[0]["found"][:4]]}])

    found = found_by(run_alone(toy(), search()))
    assert len(set(found)) == 16


@pytest.mark.parametrize("texts", [["ab"], ["ab", "ba", "ab"]])
def test_rephrasing_is_repeatable(texts: list[str]) -> None:
    """The same text at the same place is the same prompt: forking it goes on where the last fork stopped."""

    def search() -> Search[Selection]:
        source = prompt(1, max_tokens=9)
        (first, *_), (again, *_) = (yield Rephrase(source, texts)), (yield Rephrase(source, texts))
        assert first == again
        live = yield Fork(first, 1)
        live += yield Fork(again, 1)
        assert live[0].address != live[1].address
        return chosen(live)

    run_alone(toy(), search())
