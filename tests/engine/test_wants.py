"""What each want means: how far Advance goes, what comes back, what is noted in the tree."""

from collections.abc import Callable
from typing import Any

import pytest

from ramify.core.types import Branch, Budget, Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Drop, Finish, Fork, Marker, Room, Score, Search, Tokens, Truncate, Until
from ramify.engine.driver import Driver, run_alone
from ramify.engine.engine import Engine
from ramify.engine.session import Session
from tests.engine.scripts import Words, engine_of, scripted_apart
from tests.toys import JUDGE, chosen, grown, prompt, toy


def lengths(session: Session) -> list[int]:
    assert session.result is not None
    return [e.branch.num_generated for e in session.result.ended]


def uneven(*untils: Until, ahead: int = 5) -> Search[Selection]:
    """Two branches, the first ahead of the second."""
    live = yield Fork(prompt(1, 2, max_tokens=12), 2)
    yield Advance(live[:1], Tokens(ahead))
    rounds = []
    for until in untils:
        rounds.append({"tau": (yield Advance(live, until))})
    return chosen(live, rounds)


@pytest.mark.parametrize(
    ("untils", "want", "tau"),
    [
        ((Tokens(3),), [8, 3], [3]),
        ((Tokens(1), Tokens(2)), [8, 3], [1, 2]),
        ((Tokens(10),), [12, 10], [10]),  # the first is done after 7
        ((Finish(),), [12, 12], [12]),
        ((Finish(), Finish(), Tokens(3)), [12, 12], [12, 0, 0]),
    ],
)
def test_advance_goes_on_from_where_each_stands(untils: tuple[Until, ...], want: list[int], tau: list[int]) -> None:
    session = run_alone(toy(), uneven(*untils))
    assert lengths(session) == want
    assert session.result is not None
    assert [r["tau"] for r in session.result.rounds] == tau


def test_advancing_nobody_is_answered() -> None:
    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, max_tokens=2), 1)
        grown = [(yield Advance([], Finish())), (yield Advance(live, Finish())), (yield Advance([], Room()))]
        yield Drop([])
        assert (yield Score([])) == {} == (yield Answers([]))
        return chosen(live, [{"grown": grown}])

    session = run_alone(toy(), search(), reward=JUDGE, budget=Budget(pages=9))
    assert session.result is not None
    assert session.result.rounds[0]["grown"] == [0, 2, 0]


WORDS = Words("x", "y\n", "\n", "a", "b", "y\nz", "")


def marked(text: str, times: int) -> Search[Selection]:
    live = yield Fork(prompt(0, 0, ignore_eos=False, max_tokens=9), 3)
    rounds = []
    for _ in range(times):
        tau = yield Advance(live, Marker(text))
        rounds.append({"tau": tau, "at": [b.num_generated for b in live]})
    return chosen(live, rounds)


@pytest.mark.parametrize(
    ("marker", "want"),
    [
        ("\n", [(3, [3, 1, 2]), (5, [4, 6, 2]), (5, [9, 9, 2])]),
        ("y\nz", [(9, [9, 6, 2]), (3, [9, 9, 2]), (0, [9, 9, 2])]),
        ("never", [(9, [9, 9, 2]), (0, [9, 9, 2]), (0, [9, 9, 2])]),
    ],
)
def test_markers(marker: str, want: list[Any]) -> None:
    """Each goes to the end of its own step: a token whose text holds the marker; or to its end."""
    scripts = {2: [0, 3, 1, 2, 0, 0, 0, 0, 0], 3: [2, 0, 0, 0, 0, 5, 0, 0, 0], 4: [0, 6]}
    session = run_alone(engine_of(WORDS, scripted_apart(scripts)), marked(marker, 3))
    assert session.result is not None
    assert [(r["tau"], r["at"]) for r in session.result.rounds] == want


@pytest.mark.parametrize("row_budget", [1, 2, 512])
def test_markers_in_narrow_steps(row_budget: int) -> None:
    """A branch that did not draw in a step has met no marker in it."""
    session = run_alone(toy(row_budget=row_budget), grown(prompt(1, 2, max_tokens=20), 4, Marker("b"), Marker("b")))
    assert session.result is not None
    for ended in session.result.ended:
        twos = [i for i, token in enumerate(ended.branch.generated) if token == 2]
        assert ended.branch.num_generated in (20, twos[min(1, len(twos) - 1)] + 1)


def filled(source: Prompt, n: int) -> Search[Selection]:
    live = yield Fork(source, n)
    rounds, tau = [], 1
    while tau:
        tau = yield Advance(live, Room())
        rounds.append({"tau": tau})
    return chosen(live, rounds)


def apart(page_size: int) -> Engine:
    """Branches that never draw the same: siblings that did would share a page."""
    scripts = {i: [1 + (i + k) % 8 for k in range(60)] for i in range(1, 9)}
    return toy(page_size, num_pages=300, vocab_size=9, draw=scripted_apart(scripts))


@pytest.mark.parametrize("page_size", [1, 2, 3])
@pytest.mark.parametrize("pages", [8, 13, 20, 33])
def test_room_fills_the_pages_and_no_more(page_size: int, pages: int) -> None:
    """Afterwards the search holds at most its pages, and one token more each would be too many."""
    engine = apart(page_size)
    seen: list[int] = []

    def search() -> Search[Selection]:
        live: list[Branch] = yield Fork(prompt(1, 2, 1, 2, 2), 3)
        while (yield Advance(live, Room())):
            seen.append(engine.target.book.unique_pages(b.id for b in live))
            room = engine.target.book.needed([(b.id, len(b.tokens)) for b in live])
            assert seen[-1] + room > pages
        return chosen(live)

    session = run_alone(engine, search(), budget=Budget(pages=pages))
    assert max(seen) <= pages
    assert session.ledger.recomputed_tokens == 0
    assert session.ledger.peak_kv_bytes == max(seen) * page_size
    assert len(set(lengths(session))) == 1


def test_room_counts_what_the_search_holds_elsewhere() -> None:
    def search(aside: int) -> Search[Selection]:
        live = yield Fork(prompt(1, 2, 1, 2), 2)  # two pages, for both
        yield Advance(live, Tokens(1))
        yield Advance(live[:1], Tokens(aside))
        tau = yield Advance(live[1:], Room())
        return chosen(live, [{"tau": tau}])

    taus = []
    for aside in (1, 5, 9):
        result = run_alone(apart(2), search(aside), budget=Budget(pages=10)).result
        assert result is not None
        taus.append(result.rounds[0]["tau"])
    assert taus == [14, 10, 6]  # what the first holds alone is 1, 3, 5 pages


def test_room_without_a_budget_is_the_whole_pool() -> None:
    session = run_alone(toy(num_pages=12), filled(prompt(1, 2, 1, 2), 2))
    assert lengths(session) == [11, 11]


def hog(n: int) -> Search[Selection]:
    live = yield Fork(prompt(2, 2, 1, seed=4), n)
    yield Advance(live, Tokens(50))
    return chosen(live)


@pytest.mark.parametrize("hogs", [1, 3, 9])
@pytest.mark.parametrize("late", [0, 3, 30])
def test_room_does_not_depend_on_who_runs_beside(hogs: int, late: int) -> None:
    def search() -> Search[Selection]:
        first = yield Fork(prompt(1, 2), 1)
        if late:
            yield Advance(first, Tokens(late))
        yield Drop(first)
        return (yield from filled(prompt(1, 2, 1, 2, 2), 3))

    alone = run_alone(toy(num_pages=60), search(), budget=Budget(pages=24), reserve=24).result
    driver = Driver(toy(num_pages=60))
    others = [driver.submit(hog(4)) for _ in range(hogs)]
    session = driver.submit(search(), budget=Budget(pages=24), reserve=24)
    driver.run()
    assert alone is not None
    assert session.result is not None
    assert session.result.rounds == alone.rounds
    assert session.ledger.recomputed_tokens == 0  # nobody takes what it has reserved
    assert all(o.result is not None for o in others)


@pytest.mark.parametrize("tokens", [1, 2, 7, 10, 11, 12, 36, 100])
@pytest.mark.parametrize("row_budget", [512, 3, 2, 1])
def test_a_token_budget_is_never_passed_and_spent_evenly(tokens: int, row_budget: int) -> None:
    """Three branches of at most 12 tokens: they stop together when there is no token for each of them."""
    engine = toy(row_budget=row_budget)
    session = run_alone(engine, grown(prompt(1, 2, max_tokens=12), 3, Finish()), budget=Budget(tokens=tokens))
    assert lengths(session) == [min(12, tokens // 3)] * 3
    assert session.ledger.generated_tokens == 3 * min(12, tokens // 3) <= tokens
    assert session.result is not None
    assert {e.stopped_because for e in session.result.ended} == {"budget" if tokens < 36 else "length"}


@pytest.mark.parametrize("tokens", [5, 17, 40])
def test_a_token_budget_goes_to_those_that_are_left(tokens: int) -> None:
    """Branches that end early leave theirs to the others; what is left in the end is less than one for each."""
    for seed in range(20):
        source = prompt(1, 2, seed=seed, ignore_eos=False, max_tokens=15)
        outcomes = []
        for row_budget in (512, 2):
            session = run_alone(toy(row_budget=row_budget), grown(source, 5, Finish()), budget=Budget(tokens=tokens))
            assert session.result is not None
            outcomes.append([e.branch.tokens for e in session.result.ended])
            cut = [e for e in session.result.ended if e.stopped_because == "budget"]
            left = tokens - session.ledger.generated_tokens
            assert 0 <= left < max(len(cut), 1) or not cut
        assert outcomes[0] == outcomes[1]


def test_a_budget_lasts_over_several_advances() -> None:
    session = run_alone(toy(), grown(prompt(1, 2), 2, Tokens(3), Tokens(3), Tokens(3)), budget=Budget(tokens=10))
    assert session.result is not None
    assert lengths(session) == [5, 5]
    assert [r["tau"] for r in session.result.rounds] == [3, 2, 0]
    assert all(e.branch.finish == "budget" for e in session.result.ended)


def test_a_branch_cut_by_the_budget_is_scored_as_final() -> None:
    calls: list[str] = []

    class Kind:
        model, needs_logprobs, name = None, False, "kind"

        def partial(self, view: Any) -> float:
            calls.append("partial")
            return 0.0

        def final(self, view: Any) -> float:
            calls.append("final")
            return 0.0

    search = grown(prompt(1, 2), 1, Tokens(2), Tokens(2), score=True)
    run_alone(toy(), search, reward=Kind(), budget=Budget(tokens=3))
    assert calls == ["partial", "final"]


def family() -> Search[Selection]:
    live = yield Fork(prompt(1, 2, max_tokens=9), 2)
    yield Advance(live, Tokens(3))
    grown = yield Fork(live[0], 2)
    s = yield Score([*live, *grown])
    yield Drop([live[1]])
    yield Advance(grown[:1], Finish())
    yield Truncate(grown[1], 3)
    return Selection(Ended.of(grown[0], s[grown[0]]), ())


def test_the_tree_says_where_branches_forked_and_why_they_ended() -> None:
    session = run_alone(toy(), family(), reward=JUDGE)
    nodes = list(session.tree.values())
    a, b, c, d = (node.branch for node in nodes)
    assert [node.ended for node in nodes] == ["unfinished", "rejected", "length", "unfinished"]
    assert [n.branch.forked_at - 2 for n in nodes] == [0, 0, 3, 1]  # the last one was cut back
    assert (c.parent, d.parent) == (a.id, a.id)
    assert a.parent == b.parent
    assert a.parent not in session.tree
    assert all(node.score is not None for node in nodes)
    assert (c.num_generated, d.num_generated) == (9, 1)


def test_children_draw_apart_from_their_parent_and_each_other() -> None:
    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2), 1)
        yield Advance(live, Tokens(2))
        live += yield Fork(live[0], 3)
        live += yield Fork(live[0], 2)
        yield Advance(live, Tokens(25))
        return chosen(live)

    result = run_alone(toy(num_pages=200), search()).result
    assert result is not None
    assert len({tuple(e.branch.tokens) for e in result.ended}) == 6
    assert len({tuple(e.branch.tokens[:4]) for e in result.ended}) == 1


def test_a_driver_may_be_used_again() -> None:
    driver, counts = Driver(toy()), list[tuple[int, int]]()
    for _ in range(2):
        for i in range(3):
            driver.submit(grown(prompt(1, 2, seed=i), 2, Tokens(1 + i)))
        driver.run(lambda over, submitted: counts.append((over, submitted)))
        assert counts[-1] == (3, 3)
        assert all(submitted == 3 for _, submitted in counts)
        assert [over for over, _ in counts] == sorted(over for over, _ in counts)
        counts.clear()


def test_the_callback_may_submit_more() -> None:
    driver = Driver(toy())
    late: list[Session] = []

    def progress(over: int, submitted: int) -> None:
        if not late:
            late.append(driver.submit(grown(prompt(1, 2), 2, Tokens(2))))

    driver.submit(grown(prompt(1, 2), 2, Tokens(5)))
    driver.run(progress)
    assert late[0].result is not None


def test_a_search_that_wants_nothing() -> None:
    branch = toy().prefill(prompt(1, 2))

    def search() -> Search[Selection]:
        return chosen([branch])
        yield

    session = run_alone(toy(), search())
    assert session.result is not None


@pytest.mark.parametrize("make", [lambda: filled(prompt(1, 2), 2), lambda: grown(prompt(1, 2), 2, Tokens(4))])
def test_a_search_beside_handles(make: Callable[[], Search[Selection]]) -> None:
    """Branches that a caller holds by hand give their pages up when a search needs them, and go on afterwards."""
    engine = toy(num_pages=14)
    held = engine.prefill(prompt(2, 1, 2, seed=5))
    engine.advance([held], 15)
    run_alone(engine, make(), budget=Budget(pages=10), reserve=10)
    alone = toy()
    again = alone.prefill(prompt(2, 1, 2, seed=5))
    alone.advance([again], 18)
    engine.advance([held], 3)
    assert held.tokens == again.tokens
