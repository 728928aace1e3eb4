"""The ledger against counts made by hand."""

from collections.abc import Callable

import pytest

from ramify.core.ledger import Ledger
from ramify.core.types import Selection
from ramify.core.wants import Advance, Drop, Fork, Score, Search, Tokens
from ramify.engine.driver import Driver, run_alone
from ramify.engine.engine import Engine
from ramify.engine.runner import Costs
from tests.engine.scripts import scripted, scripted_apart
from tests.toys import JUDGE, chosen, grown, prompt, runner_of, toy

APART = {i: [1 + (i + k) % 8 for k in range(20)] for i in range(1, 99)}  # neighbours in number draw different tokens


def counted(**options: object) -> Engine:
    """A toy whose rows cost 100, looks 1, logits 10,000; branches draw apart."""
    engine = toy(vocab_size=9, draw=scripted_apart(APART), **options)  # type: ignore[arg-type]
    runner_of(engine).costs = Costs(row=100.0, context=1.0, logits=10_000.0)
    return engine


def test_two_branches_by_hand() -> None:
    """Prompt of 3: rows 0 1 2 once, look at 1 + 2 + 3; then two children draw 3 each, the last is not read.

    pages of 2:  [p p] [p a] [a .]      tokens drawn: a a a, b b b; read: a a, b b
                       [p b] [b .]
    """
    ledger = run_alone(counted(), grown(prompt(1, 2, 1), 2, Tokens(3))).ledger
    target = ledger.model("target")
    assert (ledger.prompt_tokens, ledger.generated_tokens, ledger.forks, ledger.pages_copied) == (3, 6, 2, 1)
    assert (target.tokens, target.passes, target.recomputed) == (3 + 4, 3, 0)
    assert target.flops == 100 * 7 + (1 + 2 + 3) + 2 * (4 + 5) + 10_000 * 6
    assert ledger.peak_kv_bytes == 5 * 2  # a page of the toy is as many bytes as slots
    assert ledger.peak_unshared_kv_bytes == 6 * 2
    assert set(ledger.models) == {"target"}


def test_the_same_token_is_read_once() -> None:
    engine = toy(draw=scripted(1, 2, 1, 1))
    ledger = run_alone(engine, grown(prompt(1, 2, 1), 5, Tokens(4))).ledger
    assert (ledger.generated_tokens, ledger.model("target").tokens) == (20, 3 + 3)
    assert ledger.peak_kv_bytes < ledger.peak_unshared_kv_bytes == 5 * ledger.peak_kv_bytes


@pytest.mark.parametrize("row_budget", [512, 5, 4, 3, 1])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_prompt_is_read_once_in_any_chunks(row_budget: int, n: int) -> None:
    engine = counted(num_pages=200, row_budget=row_budget)
    ledger = run_alone(engine, grown(prompt(*[1, 2] * 5), n, Tokens(1))).ledger
    assert ledger.model("target").tokens == 10
    assert ledger.model("target").passes == -(-10 // row_budget)


def test_released_pages_are_read_again() -> None:
    """7 tokens of which 6 were read, prompt of 3: its full page is found again, 4 known rows and a new one are read."""
    engine = counted()
    branch = engine.prefill(prompt(1, 2, 1))
    engine.advance([branch], 4)
    before = branch.ledger.model("target").tokens
    engine.release(branch)
    engine.advance([branch], 1)
    target = branch.ledger.model("target")
    assert (before, target.tokens - before, target.recomputed) == (6, 5, 4)


@pytest.mark.parametrize(("back_to", "again"), [(0, 0), (1, 1), (3, 1)])
def test_truncating_reads_at_most_the_last_token_again(back_to: int, again: int) -> None:
    engine = counted()
    branch = engine.prefill(prompt(1, 2, 1))
    engine.advance([branch], 5)
    engine.truncate(branch, 3 + back_to)
    engine.advance([branch], 1)
    assert branch.ledger.recomputed_tokens == again


def twice_scored(n: int, each: int) -> Search[Selection]:
    live = yield Fork(prompt(1, 2, 1, 2, 2), n)
    for _ in range(2):
        yield Advance(live, Tokens(each))
        yield Score(live)
    yield Drop(live[1:])
    yield Score(live[:1])
    return chosen(live[:1])


@pytest.mark.parametrize("row_budget", [512, 4])
def test_the_reward_model_reads_every_token_once(row_budget: int) -> None:
    """The prompt once for all, each generated token once, none for a score that was asked for again."""
    engine = counted(num_pages=300, row_budget=row_budget)
    ledger = run_alone(engine, twice_scored(2, 4), reward=JUDGE).ledger
    assert ledger.generated_tokens == 16
    assert ledger.model("judge").tokens == 5 + 16
    assert ledger.recomputed_tokens == 0


def test_searches_that_share_a_step_do_not_share_a_bill() -> None:
    engine = counted(num_pages=300)
    driver = Driver(engine)
    one, two = (
        driver.submit(grown(prompt(1, 2, 1, seed=1), 2, Tokens(3))),
        driver.submit(grown(prompt(2, 2), 4, Tokens(5))),
    )
    driver.run()
    alone = [
        run_alone(counted(num_pages=300), grown(prompt(1, 2, 1, seed=1), 2, Tokens(3))).ledger,
        run_alone(counted(num_pages=300), grown(prompt(2, 2), 4, Tokens(5))).ledger,
    ]
    for session, ledger in zip((one, two), alone, strict=True):
        mine, want = session.ledger.row(), ledger.row()
        assert {k: v for k, v in mine.items() if k != "seconds"} == {k: v for k, v in want.items() if k != "seconds"}


def test_copies_are_billed_to_who_writes() -> None:
    engine = counted(page_size=4)
    first, second = Ledger(), Ledger()
    a, b = engine.prefill(prompt(1, 2, 1), first), engine.prefill(prompt(2, 2, 2), second)
    children = engine.fork(a, 3) + engine.fork(b, 2)
    engine.drop([a, b])
    engine.advance(children, 2)
    assert (first.pages_copied, second.pages_copied) == (2, 1)


def test_logits_of_the_prompt_are_paid_for() -> None:
    engine = counted()
    plain = engine.prefill(prompt(1, 2, 1, 1)).ledger.flops
    asked = counted().prefill(prompt(1, 2, 1, 1, prompt_logprobs=0)).ledger.flops
    assert asked - plain == 3 * 10_000


def test_a_run_ledger_is_the_sum_over_its_passes() -> None:
    """What the runner saw is what was billed."""
    engine = counted(num_pages=200, row_budget=6)
    seen, forward = [0, 0], runner_of(engine).forward

    def spy(chunks):  # type: ignore[no-untyped-def]
        seen[0] += sum(len(chunk.tokens) for chunk in chunks)
        seen[1] += 1
        return forward(chunks)

    runner_of(engine).forward = spy  # type: ignore[method-assign]
    driver = Driver(engine)
    sessions = [driver.submit(grown(prompt(*[1, 2] * (i % 4 + 1), seed=i), 3, Tokens(2 + i % 3))) for i in range(6)]
    driver.run()
    assert sum(s.ledger.model("target").tokens for s in sessions) == seen[0]
    assert max(s.ledger.model("target").passes for s in sessions) <= seen[1]


def peaks(make: Callable[[], Search[Selection]], **options: int) -> tuple[int, int]:
    ledger = run_alone(counted(num_pages=300, **options), make()).ledger
    return ledger.peak_kv_bytes, ledger.peak_unshared_kv_bytes


def dropping() -> Search[Selection]:
    live = yield Fork(prompt(1, 2, 1, 2), 4)
    yield Advance(live, Tokens(5))  # 8 stored: 4 pages of 2 each, the prompt's 2 shared
    yield Drop(live[1:])
    yield Advance(live[:1], Tokens(2))
    return chosen(live[:1])


def test_the_peak_is_the_worst_moment() -> None:
    assert peaks(dropping) == (2 * (2 + 4 * 2), 2 * 16)
    assert peaks(dropping, page_size=4) == (4 * (1 + 4), 4 * 8)
