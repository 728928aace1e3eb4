"""Hundreds of searches together give, token for token, what each gives alone; with plenty of memory and with little."""

from collections.abc import Callable
from typing import Any

import pytest

from ramify.core.registry import lookup, names
from ramify.core.types import Budget, Ended, Selection
from ramify.core.wants import Advance, Answers, Drop, Fork, Marker, Room, Score, Search, Tokens, Truncate
from ramify.engine.driver import Driver
from ramify.engine.engine import Engine
from ramify.engine.session import Session
from tests.search.runs import named_writers, small_beside
from tests.toys import JUDGE, chosen, is_empty, prompt, toy

COUNT = 150
SHAPES = [(1, 2, 1), (1, 2, 1, 2, 2, 1, 1), (2,), (), (1, 2, 1, 2, 2), (2, 2, 1, 1, 2, 1, 2, 1, 2, 2, 1)]
LONG = tuple(1 + (i * i // 3) % 2 for i in range(24))  # longer than what agreeing runs are read together for
ROOM = 14  # pages


def garden(i: int) -> Search[Selection]:
    """Everything that a search can want, in the middle of things."""
    live = yield Fork(asked(i), 3)
    yield Advance(live, Marker("b"))
    grown = yield Fork(live[i % 3], 2)
    yield Advance([*live, *grown], Tokens(3))
    s = yield Score([*live, *grown])
    worst = min(live, key=s.__getitem__)
    yield Truncate(worst, worst.num_prompt + min(1, worst.num_generated))
    yield Drop([b for b in live if b is not worst])
    tau = yield Advance([worst, *grown], Tokens(4))
    yield Advance([worst, *grown], Room())
    answers = yield Answers([worst, *grown])
    s = yield Score([worst, *grown])
    ended = tuple(Ended.of(b, s[b], answers[b]) for b in (worst, *grown))
    return Selection(max(ended, key=lambda e: e.score or 0.0), ended, ({"tau": tau},))


def patient(i: int) -> Search[Selection]:
    """Branches that wait for long, and are the first to lose their pages."""
    live = yield Fork(asked(i), 3)
    yield Advance(live, Tokens(3))
    for branch in live:
        yield Advance([branch], Tokens(9))
    yield Score(live)
    return chosen(live)


def asked(i: int, *, cuts: bool = True) -> Any:
    tokens = (*LONG[: 16 + i % 8], 1 + i % 2) if i % 7 == 0 else SHAPES[i % len(SHAPES)]
    extra = {"prompt_logprobs": 1} if i % 11 == 0 else {}
    rule = [{}, {"temperature": 0.5}, {"top_k": 2}, {"repetition_penalty": 1.4}, {"logprobs": 1}][i % 5]
    if not cuts:
        rule = {}
    stop: dict[str, Any] = {"stop": ("bab",)} if i % 4 == 0 else {}
    return prompt(*tokens, seed=i, ignore_eos=bool(i % 3), max_tokens=8 + i % 9, **rule, **stop, **extra)


def registered(name: str) -> Callable[[int], Search[Selection]]:
    method = lookup("method", name)
    options: dict[str, Any] = ({method.size: 4} if method.size is not None else {}) | LIGHT.get(name, {})
    options |= named_writers(method)
    if method.select is not None:
        options["select"] = lookup("select", method.select)
    return lambda i: method.run(asked(i, cuts=name not in PLAIN), **options)


PLAIN = ("power-sampling",)  # refuses what cuts or shapes the law
LIGHT: dict[str, dict[str, Any]] = {"qalign": {"chains": 2}, "power-sampling": {"chains": 2, "block": 4}}
KINDS = [garden, patient, *map(registered, names("method"))]


def submit(driver: Driver, i: int) -> Session:
    kind = KINDS[i % len(KINDS)]
    tokens = 20 if i % 6 == 0 else None
    return driver.submit(kind(i), reward=JUDGE, budget=Budget(tokens=tokens, pages=ROOM), reserve=ROOM)


def outcome(session: Session) -> Any:
    assert session.error is None, session.error
    assert session.result is not None
    ended = [
        (
            e.branch.tokens,
            e.branch.finish,
            e.score,
            e.answer,
            e.stopped_because,
            e.branch.logprobs,
            e.branch.prompt_logprobs,
        )
        for e in session.result.ended
    ]
    best = [e is session.result.best for e in session.result.ended]
    tree = [(node.branch.tokens, node.score, node.ended) for node in session.tree.values()]
    return ended, best, session.result.rounds, tree, session.ledger.generated_tokens


def engine(num_pages: int = 2000, judge_pages: int = 2000, **options: Any) -> Engine:
    made = toy(page_size=2, num_pages=num_pages, judge_pages=judge_pages, max_positions=512, **options)
    made.others["small"] = small_beside(made)
    return made


def letter(text: str) -> str | None:
    return text[-1:] or None


@pytest.fixture(scope="module")
def alone() -> list[Any]:
    """What each search gives by itself, with plenty of memory."""
    outcomes = []
    for i in range(COUNT):
        mine = engine()
        driver = Driver(mine, letter)
        session = submit(driver, i)
        driver.run()
        outcomes.append(outcome(session))
        assert is_empty(mine)
    return outcomes


PLENTY = {"num_pages": 60_000, "judge_pages": 4000}
SETTINGS: dict[str, dict[str, int]] = {
    "plenty": PLENTY,
    "plenty, narrow steps": PLENTY | {"row_budget": 7},
    "short": {"num_pages": 60, "judge_pages": 4000},
    "short, narrow steps": {"num_pages": 56, "judge_pages": 4000, "row_budget": 5},
    "short for the judge": {"num_pages": 300, "judge_pages": 22},
    "short for both": {"num_pages": 56, "judge_pages": 22, "row_budget": 30},
}


@pytest.mark.parametrize("sizes", SETTINGS.values(), ids=SETTINGS)
def test_together_is_alone(sizes: dict[str, int], alone: list[Any]) -> None:
    shared = engine(**sizes)
    driver = Driver(shared, letter)
    sessions = [submit(driver, i) for i in range(COUNT)]
    driver.run()
    assert [outcome(session) for session in sessions] == alone
    assert is_empty(shared)


@pytest.mark.parametrize("name", ["short", "short for the judge"])
def test_memory_so_short_that_it_reads_again(name: str) -> None:
    shared = engine(**SETTINGS[name])
    driver = Driver(shared, letter)
    sessions = [submit(driver, i) for i in range(COUNT)]
    driver.run()
    model = "judge" if "judge" in name else "target"
    assert sum(s.ledger.model(model).recomputed for s in sessions) > 0


@pytest.mark.parametrize("most", [1, 7, 40])
def test_admitting_few_at_a_time_makes_no_difference(most: int, alone: list[Any]) -> None:
    shared = engine(**PLENTY)
    driver = Driver(shared, letter, most_branches=most)
    sessions = [submit(driver, i) for i in range(COUNT)]
    driver.run()
    assert [outcome(session) for session in sessions] == alone


def test_the_order_of_submission_makes_no_difference(alone: list[Any]) -> None:
    driver = Driver(engine(**SETTINGS["short"]), letter)
    sessions = {i: submit(driver, i) for i in reversed(range(COUNT))}
    driver.run()
    assert [outcome(sessions[i]) for i in range(COUNT)] == alone


def test_again_is_the_same(alone: list[Any]) -> None:
    """A driver and an engine that have run before: prompts are found, nothing else is left."""
    shared = engine(**PLENTY)
    for _ in range(2):
        driver = Driver(shared, letter)
        sessions = [submit(driver, i) for i in range(40)]
        driver.run()
        assert [outcome(session) for session in sessions] == alone[:40]
    assert sum(s.ledger.model("target").tokens for s in sessions) > 0
