"""Random searches under random memory: what each gives together with others is what it gives alone.

A search is a random walk over the wants (all but `Room`, which looks at pages), inner searches among them. Alone it has
plenty of memory; together the pool, the judge's pool, the rows of a step and the number of branches let in are drawn
too.
"""

import random
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from ramify.core.types import Budget, Ended, Prompt, Selection
from ramify.core.wants import (
    Advance,
    Answers,
    Append,
    Ask,
    Drop,
    Finish,
    Fork,
    Likeliest,
    Marker,
    Rephrase,
    Score,
    Search,
    Texts,
    Together,
    Tokens,
    Toss,
    Truncate,
)
from ramify.engine.driver import Driver
from ramify.engine.engine import Engine
from ramify.engine.session import Session
from ramify.reward.process import ProcessReward
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.engine.test_together import letter, outcome
from tests.laws.test_rewards import Lines
from tests.toys import JUDGE, is_empty, prompt, toy

REWARDS = (JUDGE, ProcessReward("process", "judge", Lines(3)))
STEM = [1 + (i * i // 3) % 2 for i in range(30)]
LONGEST = 40  # tokens of a branch: a pool must hold one
BATCHES = 120
BY = (None, "small")


def engine(page_size: int, **sizes: Any) -> Engine:
    """A toy with another writer, "small"."""
    made = toy(page_size, **sizes)
    pages = sizes.get("judge_pages") or sizes["num_pages"]
    made.others["small"] = toy_model(
        "small", ToyModel(salt=9), page_size=page_size, num_pages=pages, max_positions=made.target.runner.max_positions
    )
    return made


def asked(dice: random.Random) -> Prompt:
    length = dice.choice((0, 1, 2, 3, 5, 8, 13, 20, 25))
    tokens = STEM[:length] if dice.random() < 0.6 else [dice.randrange(1, 3) for _ in range(length)]
    wishes: list[tuple[float, dict[str, Any]]] = [
        (0.15, {"prompt_logprobs": 1}),
        (0.3, {"logprobs": 1}),
        (0.2, {"stop": ("bab",)}),
        (0.2, {"temperature": dice.choice((0.0, 0.4))}),
    ]
    extra = {key: value for p, wish in wishes if dice.random() < p for key, value in wish.items()}
    limits = {"ignore_eos": dice.random() < 0.5, "max_tokens": dice.randrange(1, 15)}
    return prompt(*tokens, seed=dice.randrange(1000), **limits, **extra)


def wandering(seed: int, depth: int = 0) -> Search[Selection]:
    """Wants whatever the dice say; notes every answer."""
    dice, notes = random.Random(seed), list[Any]()
    live = yield Fork(asked(dice), dice.randrange(1, 5))
    everyone = list(live)
    for _ in range(dice.randrange(1, 12)):
        if not live:
            break
        some = dice.sample(live, dice.randrange(1, len(live) + 1))
        match dice.randrange(17):
            case 0 | 1 | 2:
                until = dice.choice((Tokens(dice.randrange(1, 6)), Marker("b"), Finish(), Tokens(1)))
                notes.append((yield Advance(some, until)))
            case 3:
                scores = yield Score(some)
                notes.append([scores[b] for b in some])
            case 4 if len(live) < 10:
                live += yield Fork(dice.choice(live), dice.randrange(1, 4))
            case 5:
                yield Drop(some)
                live = [b for b in live if b not in some]
            case 6:
                yield Truncate(some[0], dice.randrange(some[0].num_prompt, len(some[0].tokens) + 1))
            case 7:
                answers = yield Answers(some)
                notes.append([answers[b] for b in some])
            case 8 | 9 if len(live) < 8:
                live += yield Fork(asked(dice), dice.randrange(1, 3))
            case 10:
                notes.append((yield Ask([*some, asked(dice)], "ab"[: dice.randrange(3)], ("a", "ba"), dice.choice(BY))))
            case 11:
                yield Advance(some, Tokens(dice.randrange(1, 4)), by=dice.choice(BY))
            case 12 if depth < 2:
                inner = [wandering(dice.randrange(10**9), depth + 1) for _ in range(dice.randrange(3))]
                notes.append([[e.branch.tokens for e in s.ended] for s in (yield Together(inner))])
            case 13:
                notes.append(((yield Toss(some[0], (len(notes),), (0.5,))), [*(yield Texts(some)).values()]))
            case 14:
                for branch in some:
                    if not branch.done and len(branch.tokens) + 2 <= branch.max_length:
                        yield Append(branch, "ab")
            case 15 if len(live) < 8:
                (other,) = yield Rephrase(asked(dice), ["ab" * dice.randrange(1, 5)])
                live += yield Fork(replace(other, bookmarks=dice.random() < 0.5), 2, dice.choice((None, 0.5)))
            case _:
                some = [b for b in some if not b.done]
                notes.append((yield Likeliest(some, 2)))
        everyone += [b for b in live if b not in everyone]
    return Selection(Ended.of(everyone[0]), tuple(map(Ended.of, everyone)), ({"notes": notes},))


def submit(driver: Driver, seed: int, **options: Any) -> Session:
    dice = random.Random(-seed)
    reserve, tokens = dice.choice((0, 0, 15, 20)), dice.choice((None, None, 7, 20))
    budget = Budget(tokens=tokens)
    return driver.submit(wandering(seed), reward=dice.choice(REWARDS), budget=budget, reserve=reserve, **options)


@pytest.mark.parametrize(("page_size", "part"), list(product((1, 2, 3, 4), range(3))))
def test_together_is_alone(page_size: int, part: int) -> None:
    least = -(-LONGEST // page_size) + 2
    for batch in range(BATCHES // 12):
        dice = random.Random(1000 * page_size + 100 * part + batch)
        seeds = [dice.randrange(1, 10**9) for _ in range(dice.randrange(1, 14))]
        alone = []
        for seed in seeds:
            driver = Driver(engine(page_size, num_pages=3000), letter)
            session = submit(driver, seed)
            driver.run()
            alone.append(outcome(session))
        pages, judge_pages = dice.choice((least, least + 9, 60, 3000)), dice.choice((least, 60, 3000))
        rows, most = dice.choice((1, 3, 7, 20, 512)), dice.choice((3, 10, 512))
        shared = engine(page_size, num_pages=max(pages, 20), judge_pages=judge_pages, row_budget=rows)
        driver = Driver(shared, letter, most_branches=most)
        sessions = [submit(driver, seed) for seed in seeds]
        driver.run()
        assert [outcome(session) for session in sessions] == alone
        assert is_empty(shared)
