"""Nobody is held up for long: scores, prompts and drafts are read a round's rows at a time, and streams go on."""

from typing import Any

import pytest

from ramify.core.events import Event
from ramify.core.types import Budget, Selection
from ramify.core.wants import Advance, Fork, Score, Search, Together, Tokens
from ramify.engine.driver import Driver
from ramify.engine.engine import Engine
from ramify.engine.scheduler import Behind, schedule
from ramify.engine.session import Session
from tests.engine.test_together import outcome
from tests.toys import JUDGE, chosen, grown, is_empty, prompt, toy

ROWS, CHUNK = 16, 4
LONG = tuple(1 + (i * i // 3) % 2 for i in range(40))
BUDGETS = (Budget(), Budget(reward_tokens=2000), Budget(reward_tokens=150), Budget(tokens=60, reward_tokens=400))


def judged(seed: int = 0, n: int = 8) -> Search[Selection]:
    """Long branches, scored again and again."""
    live = yield Fork(prompt(*LONG[seed:], seed=seed), n)
    rounds = []
    for _ in range(3):
        yield Advance(live, Tokens(6))
        scores = yield Score(live)
        rounds.append({"scores": [scores[b] for b in live]})
    return chosen(live, rounds)


def family(seed: int) -> Search[Selection]:
    """Inner searches that are scored at different times, on one budget."""
    selections = yield Together([judged(seed + i, 3) for i in range(3)])
    ended = tuple(e for s in selections for e in s.ended)
    return Selection(ended[0], ended, tuple(r for s in selections for r in s.rounds))


def made(judge_pages: int = 2000, rows: int = ROWS) -> Engine:
    return toy(num_pages=2000, judge_pages=judge_pages, max_positions=128, row_budget=rows)


def read(engine: Engine) -> dict[str, int]:
    """Rows that each model's forward passes have had, noted as they come."""
    counts = dict[str, int]()
    for model in engine.models:
        forward = model.runner.forward

        def noted(chunks: Any, *rest: Any, role: str = model.role, forward: Any = forward) -> Any:
            counts[role] = counts.get(role, 0) + sum(len(chunk.tokens) for chunk in chunks)
            return forward(chunks, *rest)

        model.runner.forward = noted  # type: ignore[method-assign]
    return counts


@pytest.mark.parametrize("budget", BUDGETS[:2])
@pytest.mark.parametrize("judge_pages", [80, 2000])
def test_a_watched_stream_draws_in_every_round_in_which_another_search_is_scored(
    budget: Budget, judge_pages: int
) -> None:
    engine = made(judge_pages)
    driver, events = Driver(engine, chunk=CHUNK), list[Event]()
    driver.submit(grown(prompt(1, 2, max_tokens=90), 1, Tokens(90)), watch=events.append)
    driver.step()
    busy = driver.submit(judged(), reward=JUDGE, budget=budget)
    counts, scored, most = read(engine), 0, 0
    while not busy.over:
        counts.clear()
        del events[:]
        was = busy.paying
        driver.step()
        stream_draws = sum(event.kind == "advance" for event in events)
        if busy.paying is not None or was is not None:
            scored += 1
            assert stream_draws == 1
            assert stream_draws <= counts["target"] <= CHUNK + 9  # nine branches draw at most
            most = max(most, counts.get("judge", 0))
    assert scored > 15
    longest = len(LONG) + 18  # where pages are short a branch is read to its end
    assert most <= (CHUNK if judge_pages == 2000 or budget.reward_tokens else longest)
    driver.run()
    assert is_empty(engine)


def sessions(driver: Driver, budget: Budget, watch: bool) -> list[Session]:
    options: dict[str, Any] = {"watch": [].append} if watch else {}
    return [
        driver.submit((judged, family)[i % 2](i), reward=JUDGE, budget=budget, **(options if i % 3 == 0 else {}))
        for i in range(6)
    ]


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("chunk", [1, 7])
@pytest.mark.parametrize("judge_pages", [90, 2000])
def test_results_are_those_of_a_search_alone(budget: Budget, chunk: int, judge_pages: int) -> None:
    """In whatever pieces the scores are read; the end of a budget included where memory suffices. Where inner searches
    share the last of a budget of reward tokens, who is refused depends on the steps that prompts take to be read."""
    alone = []
    for i in range(6):
        driver = Driver(made(rows=4096))
        session = driver.submit((judged, family)[i % 2](i), reward=JUDGE, budget=budget)
        driver.run()
        alone.append(outcome(session))
    engine = made(judge_pages)
    driver = Driver(engine, chunk=chunk)
    together = sessions(driver, budget, watch=True)
    driver.run()
    for session in together:
        assert session.ledger.reward_tokens <= (budget.reward_tokens or 1 << 30)
    if judge_pages == 2000 or budget.reward_tokens is None:
        same = [outcome(session) == mine for session, mine in zip(together, alone, strict=True)]
        assert all(same[:: 2 if budget == BUDGETS[2] else 1])
    assert is_empty(engine)


def test_a_family_waits_while_one_of_it_is_scored() -> None:
    def drawing() -> Search[Selection]:
        live = yield Fork(prompt(1), 1)
        yield Advance(live, Tokens(60))
        return chosen(live)

    def both() -> Search[Selection]:
        judged_one, other = yield Together([judged(), drawing()])
        return Selection(other.best, (*judged_one.ended, *other.ended))

    driver = Driver(made())
    session, waited = driver.submit(both(), reward=JUDGE), 0
    while driver.step():
        lengths = [len(b.tokens) for b in session.branches.values()]
        if session.scoring:
            driver.step()
            waited += session.scoring
            assert not session.scoring or lengths == [len(b.tokens) for b in session.branches.values()]
    assert waited > 3 and session.result is not None


@pytest.mark.parametrize("budget", BUDGETS[:2])
def test_a_search_that_is_being_scored_can_be_cancelled(budget: Budget) -> None:
    engine = made(judge_pages=80)
    driver = Driver(engine)
    gone, stays = (driver.submit(judged(i), reward=JUDGE, budget=budget) for i in range(2))
    while gone.paying is None:
        driver.step()
    driver.step()
    driver.cancel(gone)
    engine.check()
    driver.run()
    assert stays.result is not None and is_empty(engine)


def test_chunks_are_small_only_beside_branches_that_draw() -> None:
    behind = [Behind(1, 20), Behind(2, 1), Behind(3, 20), Behind(4, 1)]
    assert schedule(behind, 16) == {2: 1, 4: 1, 1: 14}
    assert schedule(behind, 16, 5) == {2: 1, 4: 1, 1: 5}
    assert schedule(behind, 16, 30) == {2: 1, 4: 1, 1: 14}
    assert schedule(behind[::2], 16, 5) == {1: 16}
    assert schedule([Behind(1, 3), Behind(2, 1), Behind(3, 3)], 16, 5) == {2: 1, 1: 3, 3: 2}


def test_a_long_prompt_is_read_in_chunks_beside_a_watched_stream() -> None:
    for watch, most in (([].append, CHUNK + 1), (None, ROWS)):
        engine = made()
        driver = Driver(engine, chunk=CHUNK)
        driver.submit(grown(prompt(1, max_tokens=60), 1, Tokens(60)), watch=watch)
        driver.step()
        driver.submit(grown(prompt(*LONG, *LONG), 1, Tokens(1)))
        counts, rows = read(engine), list[int]()
        while driver.running + driver.waiting > 1:
            counts.clear()
            driver.step()
            rows.append(counts["target"])
        assert max(rows) == most
