"""The verbs, one by one: what they do, what they refuse, and that a refusal changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from ramify.core.errors import BadInput, OutOfPages, UnknownName
from ramify.core.types import Prompt
from ramify.engine.ending import text_of
from ramify.engine.engine import MAX_BRANCHES, Engine
from ramify.engine.model import Model
from ramify.reward.checker import Checker
from ramify.reward.outcome import OutcomeReward
from ramify.toy.model import ToyCodec, ToyModel
from ramify.toy.runner import ToyRunner
from tests.toys import JUDGE, is_empty, prompt, toy


def without_begin() -> Engine:
    return Engine(Model("target", ToyRunner(ToyModel()), ToyCodec(3)))


def test_an_empty_prompt_starts_from_the_begin_token() -> None:
    branch = toy().prefill(prompt())
    assert (branch.tokens, branch.num_prompt, branch.ledger.prompt_tokens) == ([1], 1, 1)


def test_an_empty_prompt_without_a_begin_token_is_refused() -> None:
    engine = without_begin()
    with pytest.raises(BadInput, match="prompt: it is empty, and this model has no begin token"):
        engine.prefill(Prompt(()))
    assert is_empty(engine)


@pytest.mark.parametrize(("length", "fits"), [(62, True), (63, True), (64, False), (1000, False)])
def test_a_prompt_must_leave_room_in_the_context(length: int, fits: bool) -> None:
    engine = toy(num_pages=600)
    if fits:
        branch = engine.prefill(prompt(*[1] * length))
        engine.advance([branch], 100)
        assert (len(branch.tokens), branch.finish) == (64, "length")
        return
    with pytest.raises(BadInput, match=f"prompt: {length} tokens leave no room in a context of 64"):
        engine.prefill(prompt(*[1] * length))
    assert is_empty(engine)


OUTSIDE: list[tuple[Prompt, str]] = [
    (prompt(1, 3), "prompt: token 3 is not in a vocabulary of 3"),
    (prompt(1, -1), "prompt: token -1"),
    (prompt(1, logit_bias={3: 1.0}), "logit_bias: token 3"),
    (prompt(1, stop_token_ids=(7,)), "stop_token_ids: token 7"),
    (prompt(1, bad_words=("a", "b", ".")), "bad_words: they may leave no token"),
]


@pytest.mark.parametrize(("asked", "message"), OUTSIDE, ids=lambda x: x if isinstance(x, str) else "")
def test_tokens_outside_the_vocabulary(asked: Prompt, message: str) -> None:
    engine = toy()
    with pytest.raises(BadInput, match=message):
        engine.open(asked)
    assert is_empty(engine)


@pytest.mark.parametrize("n", [0, -1, 10**9, True, 1.5, "2", MAX_BRANCHES + 1, MAX_BRANCHES])
def test_fork_refuses_odd_numbers(n: Any) -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2))
    with pytest.raises(BadInput, match="n: "):
        engine.fork(branch, n)
    assert len(engine.branches) == 1
    assert branch.forks == branch.ledger.forks == 0


@pytest.mark.parametrize("n", [0, -1, True, 1.5])
def test_advance_refuses_odd_numbers(n: Any) -> None:
    engine = toy()
    with pytest.raises(BadInput, match="n: "):
        engine.advance([engine.prefill(prompt(1, 2))], n)


@pytest.mark.parametrize("length", [1, 6, -1, 2.0, True])
def test_truncate_refuses_what_is_beyond_the_bounds(length: Any) -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2))
    engine.advance([branch], 3)
    before = branch.tokens.copy()
    with pytest.raises(BadInput, match="length: "):
        engine.truncate(branch, length)
    assert branch.tokens == before


USES: dict[str, Callable[[Engine, Any], object]] = {
    "fork": lambda e, b: e.fork(b, 2),
    "advance": lambda e, b: e.advance([b]),
    "step": lambda e, b: e.step([b]),
    "score": lambda e, b: e.score([b], JUDGE),
    "score by a function": lambda e, b: e.score([b], Checker(lambda p, t: 0.0)),
    "truncate": lambda e, b: e.truncate(b, len(b.tokens)),
    "room": lambda e, b: e.room([b]),
    "read": lambda e, b: e.read([b]),
    "settle": lambda e, b: e.settle([b]),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("finish", [None, "length"])
def test_a_dropped_branch_is_refused(use: Callable[[Engine, Any], object], finish: Any) -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2))
    engine.drop([branch])
    branch.finish = finish
    with pytest.raises(BadInput, match="branch: 1 was dropped"):
        use(engine, branch)
    assert is_empty(engine)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_another_engines_branch_is_refused(use: Callable[[Engine, Any], object]) -> None:
    engine, other = toy(), toy()
    mine, foreign = engine.prefill(prompt(1, 2)), other.prefill(prompt(2, 1))
    assert mine.id == foreign.id
    with pytest.raises(BadInput, match="another engine"):
        use(engine, foreign)
    engine.drop([foreign])
    assert mine.alive and foreign.alive


def test_dropping_twice_does_nothing() -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2))
    engine.drop([branch, branch])
    engine.drop([branch])
    assert is_empty(engine)


def test_a_done_branch_stays_as_it_is() -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2, max_tokens=2))
    engine.advance([branch], 5)
    tokens = branch.tokens.copy()
    engine.advance([branch], 5)
    assert (branch.tokens, branch.finish, engine.room([branch])) == (tokens, "length", 0)
    child = engine.fork(branch, 1)[0]
    assert (child.finish, child.tokens) == ("length", tokens)


def test_a_truncated_branch_may_go_on() -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2, max_tokens=4))
    engine.advance([branch], 9)
    tokens = branch.tokens.copy()
    engine.truncate(branch, 3)
    assert (branch.finish, branch.num_generated) == (None, 1)
    engine.advance([branch], 9)
    assert (branch.tokens, branch.finish) == (tokens, "length")  # same address, same position: same token


def test_prefill_that_does_not_fit_changes_nothing() -> None:
    engine = toy(num_pages=4)
    kept = engine.prefill(prompt(1, 2, 1))
    ledger, free = kept.ledger, engine.target.book.free
    with pytest.raises(OutOfPages, match="5 pages needed, 2 free"):
        engine.prefill(prompt(*[2] * 10), ledger)
    assert engine.target.book.free == free
    assert ledger.prompt_tokens == 3
    assert list(engine.branches.values()) == [kept]


def test_prefill_of_a_prompt_that_is_read_already_needs_only_its_end() -> None:
    engine = toy(num_pages=8)
    text = [1, 2, 2, 1, 1, 2, 1, 2, 2]  # four pages and a token
    engine.prefill(prompt(*text))
    second = engine.prefill(prompt(*text))
    assert engine.target.book.free == 8 - 6
    assert second.ledger.model("target").tokens == 1


def test_advance_that_does_not_fit_changes_nothing() -> None:
    engine = toy(num_pages=8)
    live = engine.fork(engine.prefill(prompt(1, 2, 1)), 3)
    engine.advance(live, 1)
    tokens, free, ledger = [b.tokens.copy() for b in live], engine.target.book.free, live[0].ledger.row()
    with pytest.raises(OutOfPages):
        engine.advance(live, 6)
    assert [b.tokens for b in live] == tokens
    assert engine.target.book.free == free
    assert live[0].ledger.row() == ledger


def test_a_branch_named_twice_counts_once() -> None:
    engine = toy()
    once, twice = engine.fork(engine.prefill(prompt(1, 2)), 2)
    engine.advance([twice, once, twice], 3)
    assert (once.num_generated, twice.num_generated) == (3, 3)
    assert engine.score([twice, twice], JUDGE)[0] == engine.score([twice], JUDGE)[0]
    assert engine.room([once]) == engine.room([once, once])


def test_room_against_a_number_of_pages() -> None:
    engine = toy(page_size=2, num_pages=64)
    live = engine.fork(engine.prefill(prompt(1, 2, 1, 2)), 3)
    assert engine.room(live, 2) == 1  # the prompt's two pages are full; the first token is not stored
    assert engine.room(live, 4) == 1
    assert engine.room(live, 5) == 3
    assert engine.room(live, 8) == 5
    assert engine.room(live, 1) == 0
    assert engine.room([]) == 0


def test_released_pages_come_back() -> None:
    engine = toy()
    a, b = engine.fork(engine.prefill(prompt(1, 2, 1)), 2)
    engine.advance([a, b], 3)
    engine.release(a)
    engine.advance([a, b], 3)
    alone = toy()
    again = alone.fork(alone.prefill(prompt(1, 2, 1)), 2)
    alone.advance(again, 6)
    assert [a.tokens, b.tokens] == [x.tokens for x in again]
    assert a.ledger.recomputed_tokens > 0


def test_a_reward_that_reads_an_unknown_model() -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2))
    with pytest.raises(UnknownName, match="reward model: unknown 'jugde'; did you mean 'judge'"):
        engine.score([branch], OutcomeReward("x", "jugde"))


def test_a_reward_model_with_a_shorter_context() -> None:
    engine = toy()
    engine.others["judge"].runner.max_positions = 5
    branch = engine.prefill(prompt(1, 2))
    engine.advance([branch], 3)
    engine.score([branch], JUDGE)
    engine.advance([branch], 1)
    with pytest.raises(BadInput, match="context: 'judge' reads 5 tokens, not 6"):
        engine.score([branch], JUDGE)


@pytest.mark.parametrize("row_budget", [0, -1, 1.5, True])
def test_a_row_budget_is_at_least_one(row_budget: Any) -> None:
    with pytest.raises(BadInput, match="row_budget"):
        toy(row_budget=row_budget)


def test_nothing_is_asked_of_nobody() -> None:
    engine = toy()
    engine.advance([], 3)
    assert engine.step([]) == []
    assert engine.score([], JUDGE) == []
    engine.drop([])


def test_text_is_without_the_prompt() -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2))
    engine.advance([branch], 4)
    assert text_of(branch, engine.target.codec) == engine.target.codec.decode(branch.generated)
