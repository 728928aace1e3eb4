"""Searches inside searches: results, errors, ownership, depth; alone as beside others, in any memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.registry import lookup
from ramify.core.types import Branch, Budget, Prompt, Selection
from ramify.core.wants import Advance, Answers, Drop, Finish, Fork, Marker, Room, Score, Search, Texts, Together, Tokens
from ramify.engine.driver import Driver, run_alone
from ramify.engine.engine import Engine
from ramify.engine.session import Session
from ramify.search.nested import nested
from tests.engine.test_together import letter, outcome
from tests.toys import JUDGE, chosen, failing, grown, is_empty, prompt, texts, toy

BEST, MAJORITY = lookup("select", "best"), lookup("select", "majority")
BEST_OF = partial(lookup("method", "best-of-n").run, select=BEST)
VOTE = partial(lookup("method", "majority-vote").run, select=MAJORITY)
SAMPLE = partial(lookup("method", "sample").run, n=1)


def source(seed: int = 0, **options: Any) -> Prompt:
    return prompt(1, 2, 1, 2, 2, seed=seed, ignore_eos=False, max_tokens=9, **options)


def run(search: Search[Selection], engine: Engine | None = None, **options: Any) -> Session:
    engine = engine or toy(num_pages=400)
    session = run_alone(engine, search, reward=JUDGE, extract=letter, **options)
    assert is_empty(engine)
    return session


def results(session: Session) -> Selection:
    assert session.result is not None
    return session.result


def test_of_no_searches() -> None:
    def search() -> Search[Selection]:
        assert (yield Together([])) == []
        live = yield Fork(source(), 1)
        assert (yield Together(())) == []
        return chosen(live)

    run(search())


def test_results_come_in_order() -> None:
    """Whoever ends first; and some end at once."""

    def search() -> Search[Selection]:
        kinds = [grown(source(i), 1, *[Tokens(1)] * (5 - i)) for i in range(5)]
        found = yield Together(kinds)
        again = yield Together([grown(source(9), 2)])
        assert not any(e.branch.alive for s in (*found, *again) for e in s.ended)
        return chosen([s.best.branch for s in (*found, *again)])

    want = [texts(run(grown(source(i), 1, *[Tokens(1)] * (5 - i))).result)[0] for i in range(5)]
    assert texts(run(search()).result) == [*want, []]


@pytest.mark.parametrize("inner", [SAMPLE, partial(BEST_OF, n=3), partial(VOTE, n=3)])
def test_each_inner_search_is_what_it_is_alone(inner: Callable[[Prompt], Search[Selection]]) -> None:
    together = results(run(nested(source(), n=4, each=inner, select=BEST)))
    for i, ended in enumerate(together.ended):
        alone = results(run(inner(source().nested(i)))).best
        assert (ended.branch.tokens, ended.score) == (alone.branch.tokens, alone.score)


def deep(depth: int, wide: int, of: Prompt) -> Search[Selection]:
    if depth == 0:
        return (yield from BEST_OF(of, n=2))
    found = yield Together([deep(depth - 1, wide, of.nested(i)) for i in range(wide)])
    ended = tuple(s.best for s in found)
    return Selection(BEST(ended), ended)


@pytest.mark.parametrize(("depth", "wide"), [(1, 5), (3, 2), (40, 1)])
def test_deep(depth: int, wide: int) -> None:
    """The best of all leaves, each of which is what it is alone; and one account of all."""

    def leaves(level: int, of: Prompt) -> list[Prompt]:
        return [of] if level == 0 else [p for i in range(wide) for p in leaves(level - 1, of.nested(i))]

    session = run(deep(depth, wide, source()))
    alone = [run(BEST_OF(leaf, n=2)) for leaf in leaves(depth, source())]
    best = max((results(s).best for s in alone), key=lambda e: e.score or 0.0)
    assert results(session).best.branch.tokens == best.branch.tokens
    assert session.ledger.generated_tokens == sum(s.ledger.generated_tokens for s in alone)
    assert session.ledger.prompt_tokens == 5
    assert session.ledger.recomputed_tokens == 0
    assert session.ledger.model("target").tokens <= 5 + session.ledger.generated_tokens


def test_siblings_do_not_see_each_others_branches() -> None:
    taken: list[Branch] = []

    def shows() -> Search[Selection]:
        live = yield Fork(source(), 2)
        taken.extend(live)
        yield Advance(live, Tokens(3))
        return chosen(live)

    def peeps(want: Callable[[list[Branch]], Any]) -> Search[Selection]:
        live = yield Fork(source(1), 1)
        yield Advance(live, Tokens(1))
        yield want(taken)
        return chosen(live)

    def search(want: Callable[[list[Branch]], Any]) -> Search[Selection]:
        yield Together([shows(), peeps(want)])
        raise AssertionError

    for want in (partial(Advance, until=Tokens(1)), Score, Drop, lambda live: Fork(live[0], 1)):
        taken.clear()
        engine = toy(num_pages=400)
        with pytest.raises(BadInput, match="another search's"):
            run_alone(engine, search(want), reward=JUDGE)
        assert is_empty(engine)


def raising(after: int) -> Search[Selection]:
    live = yield Fork(source(), 3)
    for _ in range(after):
        yield Advance(live, Tokens(1))
        yield Score(live)
    raise ZeroDivisionError("inner")


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("depth", [1, 3])
def test_a_childs_error_is_the_roots(after: int, depth: int) -> None:
    """And nobody's beside; all that the family held comes back."""

    def around(level: int) -> Search[Selection]:
        inner = around(level - 1) if level > 1 else raising(after)
        live = yield Fork(source(7), 2)
        yield Advance(live, Tokens(1))
        yield Together([grown(source(1), 2, Finish()), inner, partial(BEST_OF, n=2)(source(2))])
        raise AssertionError

    engine = toy(num_pages=400)
    driver = Driver(engine, letter)
    bad, good = driver.submit(around(depth), reward=JUDGE), driver.submit(BEST_OF(source(3), n=3), reward=JUDGE)
    driver.run()
    assert isinstance(bad.error, ZeroDivisionError)
    assert outcome(good) == outcome(run(BEST_OF(source(3), n=3)))
    assert is_empty(engine)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("after", [0, 1, 4])
def test_interrupted_inside(kind: type[BaseException], after: int) -> None:
    engine = toy(num_pages=400)
    driver = Driver(engine, letter)
    session = driver.submit(deep(2, 2, source()), reward=JUDGE)
    with failing(engine, kind("inside"), after=after), pytest.raises(kind):
        driver.run()
    assert is_empty(engine)
    assert not session.branches
    assert outcome(run(deep(2, 2, source()), engine)) == outcome(run(deep(2, 2, source())))


@pytest.mark.parametrize("nonsense", [5, Fork, None])
def test_nonsense_inside(nonsense: Any) -> None:
    def inner() -> Search[Selection]:
        yield Fork(source(), 2)
        yield nonsense

    def search(what: Any) -> Search[Selection]:
        yield Together([what])
        raise AssertionError

    for what in (inner(), nonsense):
        engine = toy()
        with pytest.raises((BadInput, TypeError, AttributeError)):
            run_alone(engine, search(what))
        assert is_empty(engine)


def busy(seed: int) -> Search[Selection]:
    """Inner searches of many kinds, inner ones of theirs, between branches of its own."""
    live = yield Fork(source(seed), 2)
    yield Advance(live, Tokens(2))
    inner = [partial(BEST_OF, n=2), partial(VOTE, n=3), lambda p: deep(2, 2, p), lambda p: grown(p, 2, Marker("b"))]
    found = yield Together([each(source(seed).nested(i)) for i, each in enumerate(inner)])
    scores = yield Score(live)
    answers = yield Answers([s.best.branch for s in found])
    written = yield Texts([e.branch for s in found for e in s.ended])
    yield Advance(live, Finish())
    notes = {"scores": [scores[b] for b in live], "answers": [*answers.values()], "texts": [*written.values()]}
    return chosen([*live, *(s.best.branch for s in found)], [notes])


@pytest.mark.parametrize(
    "sizes",
    [
        {"num_pages": 4000},
        {"num_pages": 4000, "row_budget": 3},
        {"num_pages": 24, "row_budget": 7},
        {"num_pages": 24, "judge_pages": 12},
        {"num_pages": 4000, "judge_pages": 10, "row_budget": 1},
    ],
)
@pytest.mark.parametrize("tokens", [None, 17])
def test_together_is_alone(sizes: dict[str, int], tokens: int | None) -> None:
    budget = Budget(tokens=tokens)
    alone = [outcome(run(busy(seed), toy(num_pages=4000), budget=budget)) for seed in range(6)]
    engine = toy(**sizes)  # type: ignore[arg-type]
    driver = Driver(engine, letter, most_branches=40)
    sessions = [driver.submit(busy(seed), reward=JUDGE, budget=budget) for seed in range(6)]
    driver.run()
    assert [outcome(s) for s in sessions] == alone
    assert is_empty(engine)


def test_pages_are_shared_out_evenly() -> None:
    def filling(of: Prompt) -> Search[Selection]:
        live = yield Fork(of, 2)
        tau = yield Advance(live, Room())
        return chosen(live, [{"tau": tau}])

    def search() -> Search[Selection]:
        found = yield Together([filling(prompt(1, 2, 1, seed=i)) for i in range(3)])
        return chosen([s.best.branch for s in found], [{"taus": [s.rounds[0]["tau"] for s in found]}])

    for seed in range(3):
        engine = toy(num_pages=60)
        driver = Driver(engine)
        session = driver.submit(search(), budget=Budget(pages=30), reserve=30)
        others = [driver.submit(grown(prompt(2, 2, seed=seed), 3, Tokens(20))) for _ in range(3 * seed)]
        driver.run()
        assert not [s.error for s in (session, *others) if s.error]
        alone = run_alone(toy(num_pages=300), filling(prompt(1, 2, 1)), budget=Budget(pages=10), reserve=10)
        assert results(session).rounds[0]["taus"][0] == results(alone).rounds[0]["tau"]
        assert is_empty(engine)
