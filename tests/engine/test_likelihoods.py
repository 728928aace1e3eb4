"""scores="logprob": the table's log-probability of every drawn token, each token read once, through all that a search
does; and writers: a branch's law is the law of whoever draws it, who catches up reading each token once."""

import random
from itertools import product
from typing import Any

import pytest

from ramify.core.errors import OutOfPages
from ramify.core.protocols import Combined, Judged
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Drop, Finish, Fork, Score, Search, Tokens, Truncate
from ramify.engine.driver import Driver, run_alone
from ramify.engine.engine import Engine
from ramify.reward.likelihood import Likelihood
from ramify.reward.logprob import MeanLogprob
from ramify.reward.self_evaluation import log_odds
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from ramify.verify.toys import SMALL as WRITER
from ramify.verify.toys import law_of, text_law
from tests.engine.test_together import letter
from tests.toys import JUDGE, chosen, grown, is_empty, prompt, texts, toy

LIKELY = ToyModel(salt=3)
REWARD = Likelihood("likely", "likely")


def engine_with(page_size: int = 2, likely_pages: int = 800, small_pages: int = 800, **options: Any) -> Engine:
    engine = toy(page_size, **({"num_pages": 800} | options))
    sizes = {"page_size": page_size, "max_positions": 64}
    engine.others["likely"] = toy_model("likely", LIKELY, scores="logprob", num_pages=likely_pages, **sizes)
    engine.others["small"] = toy_model("small", WRITER, num_pages=small_pages, **sizes)
    return engine


def closed(branch: Branch) -> list[float]:
    tokens = branch.tokens
    rows = (LIKELY.logits(tokens[:at]).log_softmax(-1)[tokens[at]] for at in range(branch.num_prompt, len(tokens)))
    return [float(each) for each in rows]


@pytest.mark.parametrize(("page_size", "row_budget"), list(product((1, 2, 3), (1, 2, 3, 512))))
def test_values_through_everything(page_size: int, row_budget: int) -> None:
    """Forks, truncations, releases, drops, other prompts: the values are the table's; books balance at each step."""
    for seed in range(4):
        dice = random.Random(seed)
        engine = engine_with(page_size, row_budget=row_budget)
        likely = engine.others["likely"]
        live = engine.fork(engine.prefill(prompt(1, 2, 1, 2, 2, max_tokens=20, seed=seed)), 2)
        for _ in range(25):
            some = dice.sample(live, dice.randrange(1, len(live) + 1))
            match dice.randrange(6):
                case 0 | 1:
                    engine.advance(some, dice.randrange(1, 4))
                case 2:
                    engine.truncate(some[0], dice.randrange(some[0].num_prompt, len(some[0].tokens) + 1))
                case 3 if len(live) < 8:
                    live += engine.fork(some[0], 2)
                case 4:
                    likely.release(some[0])
                case _:
                    engine.drop(some[:-1])
                    live = [b for b in live if b not in some[:-1]]
            asked = dice.sample(live, dice.randrange(1, len(live) + 1))
            scores = engine.score(asked, REWARD)
            engine.check()
            for branch, score in zip(asked, scores, strict=True):
                assert likely.readings[branch.id].values == pytest.approx(closed(branch), abs=1e-12)
                assert score == pytest.approx(sum(closed(branch)), abs=1e-12)


def scored(source: Prompt) -> Search[Selection]:
    live = yield Fork(source, 3)
    for _ in range(3):
        yield Advance(live, Tokens(2))
        live += yield Fork(live[-1], 1)
        yield Score(live)
    return chosen(live)


@pytest.mark.parametrize(("page_size", "row_budget"), list(product((1, 2, 3), (1, 3, 512))))
@pytest.mark.parametrize("reward", [REWARD, JUDGE], ids=["likely", "judge"])
def test_each_token_is_read_once(page_size: int, row_budget: int, reward: Any) -> None:
    for seed in range(3):
        engine = engine_with(page_size, row_budget=row_budget)
        source = prompt(1, 2, 1, 2, 2, 1, 1, seed=seed, max_tokens=20)
        session = run_alone(engine, scored(source), reward=reward)
        account = session.ledger.model(reward.model)
        assert account.recomputed == 0
        assert account.tokens <= 7 + session.ledger.generated_tokens + 2 * 3  # what a fork has that nobody scored
        assert is_empty(engine)


def judged(model: str | None) -> Judged:
    return Judged("judged", model, "ab", ("a", "b"), log_odds)


REWARDS = {
    "sum": Combined("sum", (REWARD, JUDGE), sum),
    "nested": Combined("nested", (Combined("inner", (REWARD, judged("small")), max), JUDGE, judged(None)), sum),
    "judged": judged("small"),
    "judged by the target": judged(None),
    "with log-probabilities": Combined("with", (MeanLogprob(), judged("small")), sum),
    "never": Combined("never", (JUDGE, judged("small")), lambda r: float("-inf")),
}


def scored_alone(source: Prompt) -> Search[Selection]:
    live = yield Fork(source.with_logprobs(), 3)
    rounds = []
    for _ in range(3):
        yield Advance(live, Tokens(2))
        scores = yield Score(live)
        rounds.append({"scores": [scores[b] for b in live]})
        yield Drop(live[3:])
        live = live[:3] + (yield Fork(live[0], 1))
    return chosen(live, rounds)


@pytest.mark.parametrize("reward", REWARDS.values(), ids=REWARDS)
def test_combinations_in_short_memory(reward: Any) -> None:
    """Nested in one another, together under few pages of any of the models: what each is alone with plenty."""
    sources = [prompt(1, 2, 1, 2, seed=s, max_tokens=9, ignore_eos=False) for s in range(4)]

    def outcomes(engine: Engine, together: bool) -> list[Any]:
        sessions = []
        for batch in [sources] if together else [[s] for s in sources]:
            driver = Driver(engine, letter)
            sessions += [driver.submit(scored_alone(s), reward=reward) for s in batch]
            driver.run()
        assert not [s.error for s in sessions if s.error is not None]
        assert is_empty(engine)
        return [(texts(s.result), s.result.rounds) for s in sessions if s.result is not None]

    alone = outcomes(engine_with(), False)
    few = {"likely_pages": 9, "judge_pages": 9}
    for sizes in ({}, {"small_pages": 11}, {"num_pages": 14, "judge_pages": 900}, few):
        for rows in (512, 3):
            assert outcomes(engine_with(row_budget=rows, **sizes), True) == alone  # type: ignore[arg-type]


def test_needs_log_probabilities_reaches_the_outside() -> None:
    assert REWARDS["with log-probabilities"].needs_logprobs
    assert Combined("outer", (REWARDS["with log-probabilities"], JUDGE), sum).needs_logprobs
    assert not REWARDS["nested"].needs_logprobs


def written(source: Prompt, by: str | None) -> Search[Selection]:
    live = yield Fork(source, 1)
    yield Advance(live, Finish(), by=by)
    return chosen(live)


def test_who_writes_makes_the_law() -> None:
    small = text_law(model=WRITER)
    law = law_of(lambda p: written(p, "small"))
    assert max(abs(law.get(t, 0.0) - small.get(t, 0.0)) for t in {*law, *small}) < 1e-12

    def turns(p: Prompt) -> Search[Selection]:
        live = yield Fork(p, 1)
        yield Advance(live, Tokens(1), by="small")
        twin = yield Fork(live[0], 1)
        yield Truncate(twin[0], twin[0].num_prompt)
        yield Drop(twin)
        yield Advance(live, Tokens(1))
        yield Advance(live, Finish(), by="small")
        return chosen(live)

    target, want = text_law(), dict[tuple[int, ...], float]()

    def mass(model: ToyModel, text: tuple[int, ...], at: int) -> float:
        weights = model.weights([1, 2, 1, *text[:at]])
        return float(weights[text[at]] / weights.sum())

    for text in {*target, *small}:
        want[text] = 1.0
        for at in range(len(text)):
            want[text] *= mass(ToyModel() if at == 1 else WRITER, text, at)
    law = law_of(turns)
    assert max(abs(law.get(t, 0.0) - want[t]) for t in want) < 1e-12


def handed_over(source: Prompt, seed: int) -> Search[Selection]:
    dice = random.Random(seed)
    live = yield Fork(source, 2)
    for _ in range(8):
        some, by = dice.sample(live, dice.randrange(1, 3)), dice.choice((None, "small"))
        yield Advance(some, Tokens(dice.randrange(1, 4)), by=by)
        if len(live) < 6:
            live += yield Fork(dice.choice(live), 1)
    return chosen(live)


@pytest.mark.parametrize(("page_size", "row_budget"), list(product((1, 2, 3), (1, 3, 512))))
def test_catching_up_reads_each_token_once(page_size: int, row_budget: int) -> None:
    for seed in range(4):
        engine = engine_with(page_size, row_budget=row_budget)
        source = prompt(1, 2, 1, 2, 2, seed=seed, max_tokens=30)
        session = run_alone(engine, handed_over(source, seed))
        assert session.ledger.recomputed_tokens == 0
        assert session.ledger.draws == session.ledger.generated_tokens
        assert texts(session.result) == texts(run_alone(engine_with(), handed_over(source, seed)).result)
        assert is_empty(engine)


@pytest.mark.parametrize("sizes", [{"num_pages": 30}, {"small_pages": 24}, {"num_pages": 30, "small_pages": 24}])
def test_writers_in_short_memory(sizes: dict[str, int]) -> None:
    sources = [prompt(1, 2, 1, 2, 2, seed=seed, max_tokens=30) for seed in range(5)]
    alone = [texts(run_alone(engine_with(), handed_over(s, s.seed)).result) for s in sources]
    engine = engine_with(**sizes)  # type: ignore[arg-type]
    driver = Driver(engine)
    sessions = [driver.submit(handed_over(s, s.seed)) for s in sources]
    driver.run()
    assert [texts(s.result) for s in sessions] == alone
    assert is_empty(engine)


def test_a_writer_without_room_ends_its_own_search() -> None:
    engine = engine_with(small_pages=4)
    driver = Driver(engine)
    good = driver.submit(grown(prompt(2, 2, max_tokens=20), 3, Finish()))
    bad = driver.submit(written(prompt(1, 2, 1, max_tokens=20), "small"))
    also = driver.submit(written(prompt(1, 2, max_tokens=4), "small"))
    driver.run()
    assert isinstance(bad.error, OutOfPages)
    assert (good.error, also.error) == (None, None)
    assert is_empty(engine)
