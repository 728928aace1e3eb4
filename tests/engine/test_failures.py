"""What goes wrong ends what it belongs to, and nothing else; the books balance whatever happened."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from ramify.core.errors import BadInput, OutOfPages, RamifyError, RewardError, UnknownName
from ramify.core.types import Branch, Budget, Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Drop, Finish, Fork, Marker, Room, Score, Search, Tokens, Truncate
from ramify.engine.driver import Driver, run_alone
from ramify.reward.checker import Checker
from ramify.reward.outcome import OutcomeReward
from tests.toys import JUDGE, chosen, failing, grown, is_empty, prompt, texts, toy


def good(seed: int = 0) -> Search[Selection]:
    return grown(prompt(1, 2, 1, seed=seed), 3, Tokens(4), Tokens(4), score=True)


def beside(bad: Search[Any], match: str, kind: type[Exception], **options: Any) -> None:
    """The bad search fails with this; those before and after it give what they give alone."""
    engine = toy(num_pages=500)
    driver = Driver(engine, extract=options.pop("extract", lambda text: text))
    first = driver.submit(good(1), reward=JUDGE)
    worst = driver.submit(bad, **({"reward": JUDGE} | options))
    last = driver.submit(good(2), reward=JUDGE)
    driver.run()
    assert isinstance(worst.error, kind), worst.error
    assert match in str(worst.error)
    assert worst.result is None
    for session, seed in ((first, 1), (last, 2)):
        assert session.error is None
        assert texts(session.result) == texts(run_alone(toy(), good(seed), reward=JUDGE).result)
    assert is_empty(engine)


def live_then(*wants: Callable[[list[Branch]], Any]) -> Search[Selection]:
    live = yield Fork(prompt(1, 2), 3)
    yield Advance(live, Tokens(2))
    for want in wants:
        yield want(live)
    return chosen(live)


def raising(error: BaseException) -> Search[Selection]:
    live = yield Fork(prompt(1, 2), 3)
    yield Advance(live, Tokens(2))
    raise error


def returning(value: Any) -> Search[Any]:
    live = yield Fork(prompt(1, 2), 2)
    yield Advance(live, Tokens(2))
    return value


def stubborn() -> Search[Selection]:
    """Yields where it should end."""
    live = yield Fork(prompt(1, 2), 2)
    try:
        yield Score(live[:1] * 2)
        yield "nonsense"  # type: ignore[misc]
    finally:
        yield Drop(live)
    return chosen(live)


def clumsy() -> Search[Selection]:
    """Raises while it is closed."""
    live = yield Fork(prompt(1, 2), 2)
    try:
        yield Truncate(live[0], 99)
    finally:
        raise LookupError("while closing")


def first_of_nothing(source: Prompt) -> Search[Selection]:
    live = yield Fork(source, 2)
    yield Advance(live, Finish())
    return chosen(live)


stray = toy().prefill(prompt(1, 2))  # another engine's

SEARCHES: dict[str, tuple[Search[Any], str, type[Exception]]] = {
    "raises": (raising(ZeroDivisionError("mine")), "mine", ZeroDivisionError),
    "raises a ramify error": (raising(BadInput("alpha", "1 rejects everybody")), "alpha: 1", BadInput),
    "raises at once": ((1 // x for x in [0]), "division", ZeroDivisionError),
    "raises StopIteration": (raising(StopIteration()), "StopIteration", RuntimeError),
    "asserts": (raising(AssertionError("ours")), "ours", AssertionError),
    "yields nonsense": (live_then(lambda live: 5), "it yielded 5, which is no want", BadInput),
    "yields a class": (live_then(lambda live: Advance), "which is no want", BadInput),
    "returns nothing": (returning(None), "it returned None, which is no Selection", BadInput),
    "returns nonsense": (returning([1]), "it returned [1]", BadInput),
    "yields while it is closed": (stubborn(), "nonsense", BadInput),
    "raises while it is closed": (clumsy(), "length: 99", BadInput),
    "n 0": (live_then(lambda live: Fork(live[0], 0)), "n: 0 is outside 1", BadInput),
    "n 10**9": (live_then(lambda live: Fork(live[0], 10**9)), "n: 1000000000 is outside", BadInput),
    "n True": (live_then(lambda live: Fork(live[0], True)), "n: True is not a whole", BadInput),
    "n 1.5": (live_then(lambda live: Fork(live[0], 1.5)), "n: 1.5", BadInput),  # type: ignore[arg-type]
    "truncates the prompt": (live_then(lambda live: Truncate(live[0], 1)), "length: 1 is outside 2 to 4", BadInput),
    "truncates beyond": (live_then(lambda live: Truncate(live[0], 5)), "length: 5", BadInput),
    "tokens 0": (live_then(lambda live: Advance(live, Tokens(0))), "tokens: 0", BadInput),
    "marker empty": (live_then(lambda live: Advance(live, Marker(""))), "marker", BadInput),
    "until nonsense": (live_then(lambda live: Advance(live, 3)), "", TypeError),  # type: ignore[arg-type]
    "advances the dropped": (live_then(Drop, lambda live: Advance(live, Tokens(1))), "was dropped", BadInput),
    "fills with the dropped": (live_then(Drop, lambda live: Advance(live, Room())), "was dropped", BadInput),
    "scores the dropped": (live_then(Drop, Score), "was dropped", BadInput),
    "forks the dropped": (live_then(Drop, lambda live: Fork(live[0], 2)), "was dropped", BadInput),
    "truncates the dropped": (live_then(Drop, lambda live: Truncate(live[0], 3)), "was dropped", BadInput),
    "advances a stray": (live_then(lambda live: Advance([stray], Tokens(1))), "another search's", BadInput),
    "drops a stray": (live_then(lambda live: Drop([stray])), "another search's", BadInput),
    "scores a stray": (live_then(lambda live: Score([stray])), "another search's", BadInput),
    "too long a prompt": (first_of_nothing(prompt(*[1] * 64)), "prompt: 64 tokens leave no room", BadInput),
    "no such token": (first_of_nothing(prompt(1, 9)), "prompt: token 9", BadInput),
}


@pytest.mark.parametrize(("bad", "match", "kind"), SEARCHES.values(), ids=SEARCHES)
def test_a_search_fails_alone(bad: Search[Any], match: str, kind: type[Exception]) -> None:
    beside(bad, match, kind)


def test_dropping_twice_is_no_error() -> None:
    session = run_alone(toy(), live_then(Drop, Drop, lambda live: Drop([*live, *live])))
    assert session.error is None


def fails(prompt: str, text: str) -> float:
    raise KeyError("inside")


class Wrong:
    """A reward that answers as it is told, from the second score on."""

    model, needs_logprobs, name = None, False, "wrong"

    def __init__(self, answer: Any) -> None:
        self.answer, self.calls = answer, 0

    def partial(self, view: Any) -> Any:
        """As told."""
        self.calls += 1
        return 1.0 if self.calls < 2 else self.answer

    final = partial


@pytest.mark.parametrize("answer", [math.nan, math.inf, None, "0.5", [1.0], 1j, 10**400], ids=repr)
def test_a_reward_that_is_no_finite_number(answer: Any) -> None:
    beside(good(), "reward 'wrong' returned", RewardError, reward=Wrong(answer))


def test_a_reward_that_raises() -> None:
    beside(good(), "reward 'checker' raised KeyError: 'inside'", RewardError, reward=Checker(fails))


def test_a_reward_with_a_missing_method() -> None:
    beside(good(), "raised AttributeError", RewardError, reward=OutcomeRewardWithout())


class OutcomeRewardWithout:
    """Has no methods at all."""

    model, needs_logprobs, name = None, False, "bare"


def test_no_reward_where_one_is_asked_for() -> None:
    beside(good(), "reward: this method asks for scores", BadInput, reward=None)


def test_a_reward_that_reads_an_unknown_model() -> None:
    beside(good(), "did you mean 'judge'", UnknownName, reward=OutcomeReward("x", "juge"))


def test_an_extractor_that_raises() -> None:
    def extract(text: str) -> str:
        return text[99]

    beside(live_then(Answers), "string index out of range", IndexError, extract=extract)


def test_a_branch_that_the_reward_model_has_no_room_for() -> None:
    """It ends its own search; shorter ones in the same breath are scored."""
    engine = toy(judge_pages=4)  # 8 tokens
    driver = Driver(engine)
    short, long = (driver.submit(grown(prompt(1, 2), 3, Tokens(n), score=True), reward=JUDGE) for n in (4, 9))
    driver.run()
    assert isinstance(long.error, OutOfPages)
    assert short.result is not None
    plenty = run_alone(toy(), grown(prompt(1, 2), 3, Tokens(4), score=True), reward=JUDGE).result
    assert plenty is not None
    assert short.result.rounds == plenty.rounds
    assert is_empty(engine)


def test_out_of_pages_in_the_middle_of_a_search() -> None:
    """A branch that does not fit even by itself ends its search; the other goes on."""
    engine = toy(num_pages=10, judge_pages=64)
    driver = Driver(engine)
    long = driver.submit(grown(prompt(1, 2), 2, Tokens(4), Tokens(40)))
    short = driver.submit(good(), reward=JUDGE)
    driver.run()
    assert isinstance(long.error, OutOfPages)
    assert "pages needed" in str(long.error)
    assert texts(short.result) == texts(run_alone(toy(), good(), reward=JUDGE).result)
    assert is_empty(engine)


def test_more_pages_than_there_are() -> None:
    engine = toy(num_pages=10)
    with pytest.raises(BadInput, match=r"budget.pages: 11 pages asked for, the pool has 10"):
        Driver(engine).submit(good(), reserve=11)


def test_not_even_one_token_of_room() -> None:
    engine = toy()
    with pytest.raises(OutOfPages, match="2 pages needed, 1 free, 3 branches alive"):
        run_alone(engine, grown(prompt(1, 2, 1, 2), 3, Room()), budget=Budget(pages=1), reserve=1)
    assert is_empty(engine)


def interrupted(seed: int) -> Search[Selection]:
    live = yield Fork(prompt(1, 2, seed=seed), 4)
    yield Advance(live, Tokens(3))
    yield Score(live)
    yield Advance(live, Finish())
    return chosen(live)


class Interrupt:
    """Ctrl-C at the k-th score."""

    model, needs_logprobs, name = "judge", False, "interrupt"

    def __init__(self, at: int) -> None:
        self.left = at

    def partial(self, view: Any) -> float:
        """Until it comes."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return 0.0

    final = partial


@pytest.mark.parametrize("at", [0, 1, 7, 30])
def test_ctrl_c_in_a_reward(at: int) -> None:
    engine = toy(num_pages=2000)
    driver, reward = Driver(engine, most_branches=20), Interrupt(at)
    sessions = [driver.submit(interrupted(i), reward=reward) for i in range(20)]
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    assert is_empty(engine)
    assert not any(s.branches for s in sessions)
    again = driver.submit(good(), reward=JUDGE)
    driver.run()
    assert again.result is not None


@pytest.mark.parametrize("at", [0, 3, 9])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), RuntimeError("terminal is gone")])
def test_ctrl_c_in_the_progress_callback(at: int, error: BaseException) -> None:
    engine, calls = toy(num_pages=2000), [0]

    def progress(over: int, submitted: int) -> None:
        calls[0] += 1
        if calls[0] > at:
            raise error

    driver = Driver(engine)
    for i in range(20):
        driver.submit(interrupted(i), reward=JUDGE)
    with pytest.raises(type(error)):
        driver.run(progress)
    assert is_empty(engine)


@pytest.mark.parametrize("after", [0, 1, 2, 5])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("device"), MemoryError()])
def test_a_forward_pass_that_fails_under_the_driver(after: int, error: BaseException) -> None:
    engine = toy(num_pages=2000)
    driver = Driver(engine)
    for i in range(5):
        driver.submit(interrupted(i), reward=JUDGE)
    with failing(engine, error, after=after), pytest.raises(type(error)):
        driver.run()
    assert is_empty(engine)


@pytest.mark.parametrize("page_size", [1, 2, 3, 4])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_forward_pass_that_fails_leaves_its_branches_usable(page_size: int, after: int) -> None:
    """What was half written is read again: the texts are as if nothing had happened."""
    outcomes = []
    for broken in (False, True):
        engine = toy(page_size, num_pages=300)
        root = engine.prefill(prompt(1, 2, 1, 2, 2))
        live = engine.fork(root, 3)
        engine.advance(live[:1], 2)
        if broken:
            with failing(engine, RuntimeError("device"), after=after), pytest.raises(RuntimeError, match="device"):
                engine.advance(live, 6)
            engine.check()
        for branch in live:
            engine.advance([branch], 8 - branch.num_generated)
        outcomes.append([b.tokens for b in live])
        engine.drop([root, *live])
        assert is_empty(engine)
    assert outcomes[0] == outcomes[1]


def test_a_prefill_that_fails_is_undone() -> None:
    engine = toy()
    kept = engine.prefill(prompt(1, 2))
    before = engine.target.book.free
    with failing(engine, RuntimeError("device")), pytest.raises(RuntimeError):
        engine.prefill(prompt(2, 2, 1, prompt_logprobs=1), kept.ledger)
    engine.check()
    assert (engine.target.book.free, list(engine.branches.values()), kept.ledger.prompt_tokens) == (before, [kept], 2)


def test_a_fork_that_is_interrupted_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = toy()
    root = engine.prefill(prompt(1, 2, 1))
    clone, calls = engine.target.clone, [0]

    def interrupt(source: Branch, branch: Branch) -> None:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt
        clone(source, branch)

    monkeypatch.setattr(engine.target, "clone", interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.fork(root, 5)
    monkeypatch.undo()
    engine.check()
    assert list(engine.branches.values()) == [root]


def test_the_error_is_raised_to_who_runs_alone() -> None:
    engine = toy()
    with pytest.raises(RamifyError, match="reward 'checker' raised"):
        run_alone(engine, good(), reward=Checker(fails))
    assert is_empty(engine)


def test_what_was_made_before_an_error_is_in_the_tree() -> None:
    driver = Driver(toy())
    session = driver.submit(raising(ZeroDivisionError()))
    driver.run()
    assert [node.ended for node in session.tree.values()] == ["unfinished"] * 3
    assert session.ledger.seconds > 0


def test_a_selection_of_a_branch_that_was_dropped_still_has_its_tokens() -> None:
    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, max_tokens=4), 2)
        yield Advance(live, Finish())
        yield Drop(live)
        answers = yield Answers(live)
        ended = tuple(Ended.of(b, answer=answers[b]) for b in live)
        return Selection(ended[0], ended)

    session = run_alone(toy(), search(), extract=str.upper)
    assert session.result is not None
    assert [len(str(e.answer)) + e.branch.generated.count(0) for e in session.result.ended] == [4, 4]
