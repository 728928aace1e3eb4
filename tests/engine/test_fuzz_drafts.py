"""Random searches with drafts, together and under random memory: each is what it is alone and without drafts.

The rule is `coupled`: not the law only but every token must be plain decoding's, through forks, truncations, markers,
budgets, failures for lack of pages and drafts that are trees.
"""

import random
from itertools import product

import pytest

from ramify.core.registry import lookup
from ramify.engine.driver import Driver
from ramify.engine.engine import Engine
from ramify.speculate.controller import Controller
from ramify.speculate.drafter import Drafter
from ramify.speculate.drafters.function import FunctionDrafter
from ramify.speculate.drafters.lookup import LookupDrafter
from ramify.speculate.drafters.model import ModelDrafter
from ramify.speculate.drafters.ngram import PromptLookup
from ramify.speculate.drafters.skipping import SkippingDrafter
from ramify.speculate.plan import Always, Plan, chain
from ramify.speculate.shapes import Distinct, Likeliest
from ramify.speculate.speculation import Speculation
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.engine.test_fuzz import LONGEST, engine, submit
from tests.engine.test_together import letter, outcome
from tests.toys import is_empty

KINDS = ("model", "skip-layers", "ngram", "function")
SHAPES = (chain(1), chain(3), chain(6), Likeliest((2, 2)), Distinct((2, 1, 1)), lookup("shape", "best-first")(5))


def drafter(kind: str, engine: Engine, page_size: int, dice: random.Random) -> Drafter:
    if kind == "model":
        pages = dice.choice((-(-LONGEST // page_size) + 4, 60, 3000))
        return ModelDrafter(toy_model("draft", ToyModel(salt=4), num_pages=pages, page_size=page_size), 7)
    if kind == "skip-layers":
        return SkippingDrafter(engine.target, window=4, pause=2)
    if kind == "ngram":
        return LookupDrafter("ngram", PromptLookup())

    def anything(tokens: tuple[int, ...], most: int) -> list[int]:
        some = random.Random(sum(tokens) + len(tokens))
        return [some.randrange(3) for _ in range(some.randrange(most + 3))]  # more than was asked for, too

    return FunctionDrafter(anything, 3, reads_laws=False)


def speculate(kind: str, engine: Engine, page_size: int, dice: random.Random) -> None:
    plan: Plan = Controller() if dice.random() < 0.2 else Always(dice.choice(SHAPES))
    engine.speculator = Speculation(
        drafter(kind, engine, page_size, dice), lookup("verifier", "coupled"), plan, engine.target.runner.vocab_size
    )


@pytest.mark.parametrize(("page_size", "kind"), list(product((1, 2, 3, 4), KINDS)))
def test_drafts_change_no_token(page_size: int, kind: str) -> None:
    drafted, least = 0, -(-LONGEST // page_size) + 2
    for batch in range(8):
        dice = random.Random(f"{page_size} {kind} {batch}")
        seeds = [dice.randrange(1, 10**9) for _ in range(dice.randrange(1, 12))]
        alone = []
        for seed in seeds:
            driver = Driver(engine(page_size, num_pages=3000), letter)
            session = submit(driver, seed)
            driver.run()
            alone.append(outcome(session))
        pages, rows = dice.choice((least, least + 9, 60, 3000)), dice.choice((1, 3, 7, 20, 512))
        shared = engine(page_size, num_pages=max(pages, 20), row_budget=rows)
        speculate(kind, shared, page_size, dice)
        driver = Driver(shared, letter, most_branches=dice.choice((3, 10, 512)))
        sessions = [submit(driver, seed) for seed in seeds]
        driver.run()
        assert [outcome(session) for session in sessions] == alone
        assert is_empty(shared)
        drafted += sum(session.ledger.drafts.accepted for session in sessions)
    assert drafted > 0
