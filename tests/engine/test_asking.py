"""Ask: the chain rule over the toy's table in closed form; the sources stay as they are; each token is read once."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

from ramify.core.errors import BadInput, OutOfPages, UnknownName
from ramify.core.types import Branch, Budget, Prompt, Selection
from ramify.core.wants import Advance, Ask, Finish, Fork, Score, Search, Tokens
from ramify.engine.driver import Driver, run_alone
from ramify.engine.engine import Engine
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.toys import JUDGE, chosen, grown, is_empty, prompt, texts, toy

TARGET, SMALL = ToyModel(), ToyModel(salt=9)
CHOICES = ("a", "b", "ab", "babab", ".", "ba.")


def spell(text: str) -> list[int]:
    return [".ab".index(letter) for letter in text]


def closed(model: ToyModel, stem: Sequence[int], question: str, choices: Sequence[str]) -> list[float]:
    """The chain rule, no engine involved."""
    found = []
    for choice in choices:
        tokens, logprob = [*stem, *spell(question)], 0.0
        for token in spell(choice):
            logprob += float(model.logits(tokens).log_softmax(-1)[token])
            tokens.append(token)
        found.append(logprob)
    return found


def pair(page_size: int = 2, *, small_pages: int = 300, **options: Any) -> Engine:
    """A target with a judge and another writer, "small"."""
    engine = toy(page_size, num_pages=options.pop("num_pages", 300), **options)
    engine.others["small"] = toy_model("small", SMALL, num_pages=small_pages, page_size=page_size, max_positions=64)
    return engine


def asking(
    source: Prompt,
    question: str,
    choices: Sequence[str] = CHOICES,
    by: str | None = None,
    prompts: Sequence[Prompt] = (),
) -> Search[Selection]:
    """Three branches of different lengths, one of them asked as often as it may be."""
    live: list[Branch] = yield Fork(source, 3)
    yield Advance(live[:2], Tokens(2))
    yield Advance(live[:1], Finish())
    found = yield Ask([*live, *prompts], question, choices, by)
    return chosen(live, [{"found": found}])


def stem_of(branch: Branch) -> list[int]:
    """Its text without the end token."""
    ended = branch.finish == "stop" and branch.text_end is None
    return branch.tokens[:-1] if ended else branch.tokens


@pytest.mark.parametrize(
    ("page_size", "row_budget", "by", "question"), list(product((1, 2, 3), (1, 2, 5, 512), (None, "small"), ("", "ab")))
)
def test_it_is_the_chain_rule(page_size: int, row_budget: int, by: str | None, question: str) -> None:
    others = [prompt(2, 2, 1), prompt(1, 2, 1, 2), prompt(1)]
    for seed in range(3):
        source = prompt(1, 2, 1, seed=seed, ignore_eos=False, max_tokens=8, stop=("bb",))
        engine = pair(page_size, row_budget=row_budget)
        session = run_alone(engine, asking(source, question, by=by, prompts=others))
        assert session.result is not None
        stems = [stem_of(e.branch) for e in session.result.ended] + [list(p.tokens) for p in others]
        for stem, found in zip(stems, session.result.rounds[0]["found"], strict=True):
            want = closed(SMALL if by else TARGET, stem, question, CHOICES)
            assert found == pytest.approx(want, abs=1e-12), (stem, session.result.rounds)
        assert session.ledger.recomputed_tokens == 0
        assert is_empty(engine)


def test_they_end_in_every_way() -> None:
    """What the sources above are: some ended by the end token, some by a stop text, some not at all."""
    ends = set()
    for seed in range(12):
        source = prompt(1, 2, 1, seed=seed, ignore_eos=False, max_tokens=4, stop=("bb",))
        session = run_alone(pair(), asking(source, ""))
        assert session.result is not None
        ends |= {(e.branch.finish, e.branch.text_end is None) for e in session.result.ended}
    assert ends == {("stop", True), ("stop", False), ("length", True), (None, True)}


def curious(source: Prompt, asks: bool) -> Search[Selection]:
    """Asks between any two verbs, or never."""
    live: list[Branch] = yield Fork(source, 2)
    for round_ in range(3):
        for by in (None, "small") if asks else ():
            found = yield Ask([source, *live], "ab" * round_, ("a", "bab"), by)
            assert len(found) == 1 + len(live)
        yield Advance(live, Tokens(2))
        live += yield Fork(live[0], 1)
        live += yield Fork(source, 1)
        yield Score(live)
    return chosen(live)


@pytest.mark.parametrize("page_size", [1, 2, 3])
def test_asking_changes_nothing(page_size: int) -> None:
    """The same tokens, forks and addresses, whether or not somebody asked; and nothing is read a second time."""
    outcomes = []
    for asks in (False, True):
        engine = pair(page_size)
        session = run_alone(engine, curious(prompt(1, 2, 1, 1, seed=4, max_tokens=12), asks), reward=JUDGE)
        assert session.result is not None
        ended = [(e.branch.tokens, e.branch.address, e.branch.forks, e.branch.finish) for e in session.result.ended]
        ledger = session.ledger
        outcomes.append((ended, ledger.generated_tokens, ledger.forks, ledger.prompt_tokens, ledger.draws))
        assert ledger.recomputed_tokens == 0
        assert is_empty(engine)
    assert outcomes[0] == outcomes[1]


def test_the_state_of_the_sources_stays() -> None:
    engine = pair()
    root = engine.prefill(prompt(1, 2, 1, 2, 1))
    live = engine.fork(root, 3)
    engine.advance(live[:2], 3)
    before = [(b.tokens.copy(), b.forks, b.finish, b.max_length, b.bookmarks) for b in (root, *live)]
    pages = engine.target.book.free
    for _ in range(3):
        engine.ask([root, *live], "ab", ("a", "ba"))
        engine.ask([root, *live], "", ("a", "ba"), "small")
        engine.check()
    assert [(b.tokens, b.forks, b.finish, b.max_length, b.bookmarks) for b in (root, *live)] == before
    assert set(engine.branches) == {b.id for b in (root, *live)}
    assert pages - engine.target.book.free <= 2  # two had a token each that nobody had read
    again = engine.target.book.free
    engine.ask([root, *live], "ab", ("a", "ba"))
    assert engine.target.book.free == again


@pytest.mark.parametrize("by", [None, "small"])
def test_each_token_is_read_once(by: str | None) -> None:
    """The prompt once for all; the question once a source; a choice without its last token once; then no more."""
    engine, rows = pair(1), []

    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, 1, 1, 2, max_tokens=9), 2)
        for some in (live, live, live[:1]):
            yield Ask(some, "ab", ("a", "ba", "bab"), by)
            rows.append(session_ledger().model(by or "target").tokens)
        yield Advance(live, Tokens(1))
        rows.append(session_ledger().model("target").tokens)
        return chosen(live)

    driver = Driver(engine)
    session = driver.submit(search())

    def session_ledger() -> Any:
        return session.ledger

    driver.run()
    assert session.error is None, session.error
    asked = 2 + 0 + 1 + 2  # both stand at the same place: asked together
    assert rows[:3] == [5 + asked, 5 + 2 * asked, 5 + 3 * asked]
    assert rows[3] == (rows[2] if by is None else 5)
    assert session.ledger.recomputed_tokens == 0


def test_what_prompts_share_is_read_once() -> None:
    """Sixty prompts on one stem: the stem once, the rest of each once."""
    stem = tuple(1 + (i * i // 3) % 2 for i in range(40))
    asked = [prompt(*stem, *(1 + (i >> k) % 2 for k in range(6))) for i in range(60)]

    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2), 1)
        found = yield Ask(asked, "", ("a", "b"))
        return chosen(live, [{"found": found}])

    session = run_alone(pair(2, num_pages=800), search())
    assert session.result is not None
    assert session.ledger.model("target").tokens <= 40 + 60 * 6
    for source, found in zip(asked, session.result.rounds[0]["found"], strict=True):
        assert found == pytest.approx(closed(TARGET, source.tokens, "", ("a", "b")), abs=1e-12)


@pytest.mark.parametrize("by", [None, "small"])
@pytest.mark.parametrize(("num_pages", "small_pages"), [(40, 40), (12, 40), (40, 12), (12, 12)])
def test_short_memory(by: str | None, num_pages: int, small_pages: int) -> None:
    """Few pages for whoever is asked and for whoever draws: the same answers, and the same texts beside."""
    sources = [prompt(1, 2, 1, seed=i, ignore_eos=False, max_tokens=8) for i in range(4)]

    def outcomes(engine: Engine) -> list[Any]:
        driver = Driver(engine)
        sessions = [driver.submit(asking(s, "ab", ("a", "bab"), by, sources)) for s in sources]
        beside = driver.submit(grown(prompt(2, 1, 1, max_tokens=6), 3, Finish(), score=True), reward=JUDGE)
        driver.run()
        errors = [s.error for s in (*sessions, beside) if s.error is not None]
        assert not errors, errors
        assert is_empty(engine)
        return [(texts(s.result), s.result.rounds) for s in (*sessions, beside) if s.result is not None]

    assert outcomes(pair(2, num_pages=num_pages, small_pages=small_pages)) == outcomes(pair(2))


def test_what_does_not_fit_at_all_says_so() -> None:
    engine = pair(2, small_pages=3)
    driver = Driver(engine)
    bad = driver.submit(asking(prompt(1, 2, 1, max_tokens=9), "abab", by="small"))
    good = driver.submit(grown(prompt(1, 2, max_tokens=6), 3, Finish()))
    driver.run()
    assert isinstance(bad.error, OutOfPages)
    assert good.error is None
    assert is_empty(engine)


@pytest.mark.parametrize(
    ("want", "kind", "said"),
    [
        (lambda live: Ask(live, "", ()), BadInput, "choices"),
        (lambda live: Ask(live, "", ("a", "")), BadInput, "choices"),
        (lambda live: Ask(live, "a" * 70, ("a",)), BadInput, "context"),
        (lambda live: Ask([prompt(*[1] * 64)], "", ("a",)), BadInput, "leave no room"),
        (lambda live: Ask([prompt(1, 9)], "", ("a",)), BadInput, "token 9"),
        (lambda live: Ask(live, "", ("a",), "smal"), UnknownName, "did you mean 'small'"),
        (lambda live: Ask(live, "", ("a",), "judge"), BadInput, "judge"),
        (lambda live: Advance(live, Tokens(1), by="judge"), BadInput, "judge"),
    ],
)
def test_bad_questions(want: Any, kind: type[Exception], said: str) -> None:
    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, max_tokens=4), 2)
        yield want(live)
        return chosen(live)

    engine = pair()
    with pytest.raises(kind, match=said):
        run_alone(engine, search(), budget=Budget(tokens=9))
    assert is_empty(engine)


def test_nobody_is_asked() -> None:
    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, max_tokens=4), 2)
        return chosen(live, [{"found": (yield Ask([], "ab", ("a",)))}])

    session = run_alone(pair(), search())
    assert session.result is not None
    assert session.result.rounds[0]["found"] == []


def test_others_branches_are_not_asked() -> None:
    engine = pair()
    stranger = engine.prefill(prompt(1, 2))

    def search() -> Search[Selection]:
        yield Fork(prompt(1, 2, max_tokens=4), 2)
        yield Ask([stranger], "", ("a",))
        raise AssertionError

    with pytest.raises(BadInput, match="another search's"):
        run_alone(engine, search())
    engine.drop([stranger])
    assert is_empty(engine)
