"""Budgets of every kind: what must not be passed is not, a run always ends with its best, a budget that is never met
changes nothing, and its end does not depend on who runs beside."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from ramify.core.registry import lookup, names
from ramify.core.types import Budget, Prompt, Selection
from ramify.core.wants import Advance, Drop, Finish, Fork, Score, Search, Together, Tokens, Truncate
from ramify.engine.driver import Driver, run_alone
from ramify.engine.engine import Engine
from ramify.engine.session import Session
from ramify.speculate.drafters.model import ModelDrafter
from ramify.speculate.plan import Always, chain
from ramify.speculate.speculation import Speculation
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.engine.test_together import letter, outcome
from tests.search.runs import run, selection
from tests.toys import JUDGE, chosen, is_empty, prompt, toy

BEST_OF = partial(lookup("method", "best-of-n").run, select=lookup("select", "best"))


def stages(source: Prompt, n: int = 3, rounds: int = 4) -> Search[Selection]:
    """Scored again and again, with forks, late siblings, truncations and losses between: much is shared."""
    live = yield Fork(source, n)
    notes = []
    for at in range(rounds):
        tau = yield Advance(live, Tokens(2))
        scores = yield Score(live)
        notes.append({"tau": tau, "scores": [scores[b] for b in live]})
        live += yield Fork(live[at % len(live)], 2)
        live += yield Fork(source, 1)
        yield Drop(live[:1])
        live = live[1:]
        yield Truncate(live[0], max(live[0].num_prompt, len(live[0].tokens) - 1))
        again = yield Score(live[:2])
        notes.append({"scores": [again[b] for b in live[:2]]})
    yield Advance(live, Finish())
    yield Score(live)
    return chosen(live, notes)


def family(source: Prompt) -> Search[Selection]:
    inner = [stages(source.nested(i), 2, 2) for i in range(3)] + [BEST_OF(source.nested(9), n=3)]
    found = yield Together(inner)
    return chosen([s.best.branch for s in found])


def asked(seed: int = 0) -> Prompt:
    return prompt(1, 2, 1, 2, 2, seed=seed, max_tokens=12, ignore_eos=bool(seed % 2))


KINDS = {"stages": stages, "family": family, "best-of-n": partial(BEST_OF, n=6)}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def alone(kind: Any, budget: Budget, seed: int = 0, engine: Engine | None = None) -> Session:
    engine = engine or toy(num_pages=800)
    session = run_alone(engine, kind(asked(seed)), reward=JUDGE, budget=budget, extract=letter)
    assert is_empty(engine)
    return session


@every_kind
@pytest.mark.parametrize("most", [1, 2, 5, 6, 7, 12, 20, 33, 60])
@pytest.mark.parametrize("sizes", [{}, {"page_size": 1, "row_budget": 2}, {"page_size": 3, "judge_pages": 9}])
def test_never_exceeded(kind: Any, most: int, sizes: dict[str, int]) -> None:
    for seed in range(3):
        engine = toy(**({"num_pages": 800} | sizes))  # type: ignore[arg-type]
        ledger = alone(kind, Budget(reward_tokens=most), seed, engine).ledger
        assert ledger.reward_tokens <= most
        ledger = alone(kind, Budget(tokens=most), seed, toy(**({"num_pages": 800} | sizes))).ledger  # type: ignore[arg-type]
        assert ledger.generated_tokens <= most


@every_kind
@pytest.mark.parametrize("budget", [Budget(reward_tokens=30), Budget(tokens=17), Budget(tokens=25, reward_tokens=40)])
def test_its_end_does_not_depend_on_who_runs_beside(kind: Any, budget: Budget) -> None:
    """Nor on what was run before on the same engine, nor on who has to wait for pages to draw with."""
    want = [outcome(alone(kind, budget, seed)) for seed in range(5)]
    for sizes in ({"num_pages": 800}, {"num_pages": 800, "row_budget": 3}, {"num_pages": 40, "judge_pages": 900}):
        engine = toy(**sizes)  # type: ignore[arg-type]
        for _ in range(2):
            driver = Driver(engine, letter)
            sessions = [driver.submit(kind(asked(seed)), reward=JUDGE, budget=budget) for seed in range(5)]
            driver.run()
            assert [outcome(s) for s in sessions] == want
        assert is_empty(engine)


@every_kind
def test_a_budget_that_is_never_met_changes_nothing(kind: Any) -> None:
    free = alone(kind, Budget())
    ample = Budget(tokens=9999, reward_tokens=9999, draft_tokens=9999, flops=1e12, seconds=1e6)
    assert outcome(alone(kind, ample)) == outcome(free)
    exact = Budget(tokens=free.ledger.generated_tokens)
    assert outcome(alone(kind, exact)) == outcome(free)


@every_kind
@pytest.mark.parametrize("flops", [1.0, 30.0, 70.0, 200.0])
def test_flops_to_within_a_step(kind: Any, flops: float) -> None:
    """What was drawn is no more than with one step less, and everybody is done."""
    session = alone(kind, Budget(flops=flops))
    most = 30  # branches that one step may read and draw for, and a reading of all of them for scores
    assert session.ledger.flops <= flops + most * (12 + 5)
    assert session.result is not None
    assert session.result.best in session.result.ended


@every_kind
def test_no_time_at_all(kind: Any) -> None:
    session = alone(kind, Budget(seconds=1e-9))
    assert session.ledger.generated_tokens == 0
    assert session.result is not None


def drafting(engine: Engine) -> Engine:
    draft = toy_model("draft", ToyModel(salt=3), num_pages=800)
    draft.kind = "draft"
    engine.speculator = Speculation(ModelDrafter(draft), lookup("verifier", "coupled"), Always(chain(3)), 3)
    return engine


@every_kind
@pytest.mark.parametrize("most", [1, 10, 40])
def test_draft_tokens_to_within_a_step(kind: Any, most: int) -> None:
    free = alone(kind, Budget(), engine=drafting(toy(num_pages=800)))
    session = alone(kind, Budget(draft_tokens=most), engine=drafting(toy(num_pages=800)))
    assert free.ledger.draft_tokens > 25
    assert session.ledger.draft_tokens <= most + 30 * (12 + 3)
    assert session.ledger.draft_tokens < free.ledger.draft_tokens or free.ledger.draft_tokens < most
    assert outcome(session) == outcome(free) == outcome(alone(kind, Budget()))


def test_refused_again_and_again() -> None:
    """Who cannot pay and asks once more at once is refused once more."""

    def insists() -> Search[Selection]:
        live = yield Fork(asked(), 4)
        yield Advance(live, Tokens(3))
        answers = []
        for branch in live * 3:
            answers.append((yield Score([branch]))[branch])
        return chosen(live, [{"answers": answers}])

    engine = toy(num_pages=400)
    session = run_alone(engine, insists(), reward=JUDGE, budget=Budget(reward_tokens=9))
    assert session.ledger.reward_tokens <= 9
    assert session.result is not None
    assert float("-inf") in session.result.rounds[0]["answers"]


TINY = [
    Budget(tokens=1),
    Budget(reward_tokens=1),
    Budget(flops=1.0),
    Budget(seconds=1e-9),
    Budget(draft_tokens=1),
    Budget(tokens=1, reward_tokens=1, draft_tokens=1, flops=1.0, seconds=1e-9),
    Budget(tokens=5, reward_tokens=9, flops=1e3),
]


@pytest.mark.parametrize("name", names("method"))
def test_every_method_ends(name: str) -> None:
    """With next to nothing to spend: within the budget, with its best."""
    for wish in TINY:
        pages = 40 if lookup("method", name).uses_room else None
        budget = replace(wish, pages=pages)
        session = run(name, budget=budget)
        assert session.ledger.generated_tokens <= (budget.tokens or 10**6)
        assert session.ledger.reward_tokens <= (budget.reward_tokens or 10**6)
        assert selection(session).best is not None
