"""Events played back give the tree: every branch's tokens, text, score and end."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.events import Event
from ramify.core.registry import names
from ramify.core.types import Budget, Ended, Prompt, Selection
from ramify.core.wants import Advance, Append, Drop, Extend, Finish, Fork, Search, Together, Tokens, Truncate
from ramify.engine.driver import Driver
from ramify.engine.engine import Engine
from ramify.engine.telling import Telling
from ramify.model.textstream import TextStream
from tests.engine import test_fuzz_drafts as drafts
from tests.engine.replay import check_replay, replay
from tests.engine.scripts import Bytes, Words, engine_of, scripted
from tests.engine.test_fuzz import STEM, engine, submit
from tests.engine.test_together import KINDS, letter
from tests.engine.test_together import engine as garden_engine
from tests.toys import JUDGE, chosen, grown, is_empty, prompt, toy


def watched(made: Engine, search: Search[Selection], **options: Any) -> list[Event]:
    """A search to its end, alone; what is heard of it is what it is."""
    events, driver = list[Event](), Driver(made, letter)
    session = driver.submit(search, watch=events.append, **options)
    driver.run()
    assert session.error is None, session.error
    check_replay(events, session, made.target.codec)
    return events


@pytest.mark.parametrize("kind", KINDS, ids=["garden", "patient", *names("method")])
def test_every_method(kind: Any) -> None:
    for i in (0, 5, 9):
        made = garden_engine()
        events = watched(made, kind(i), reward=JUDGE, budget=Budget(tokens=60 if i == 9 else None, pages=14))
        assert {event.kind for event in events} >= {"fork", "drop"}
        assert is_empty(made)


@given(seed=st.integers(1, 10**9), rows=st.sampled_from((1, 3, 20, 512)), pages=st.sampled_from((50, 3000)))
@settings(max_examples=150, deadline=None)
def test_random_walks_over_all_wants(seed: int, rows: int, pages: int) -> None:
    """Beside one that nobody watches; rewinds, inner searches and texts that the search puts there are among them."""
    made = engine(2, num_pages=pages, row_budget=rows)
    driver, events = Driver(made, letter), list[Event]()
    submit(driver, seed + 1)
    session = submit(driver, seed, watch=events.append)
    driver.run()
    check_replay(events, session, made.target.codec)


@pytest.mark.parametrize("kind", drafts.KINDS)
def test_drafted_tokens_are_told(kind: str) -> None:
    told = 0
    for seed in range(12):
        made, dice = engine(2, num_pages=3000), random.Random(seed)
        drafts.speculate(kind, made, 2, dice)
        source = prompt(*STEM[: 3 + seed], seed=seed, max_tokens=20, temperature=0.4)
        events = watched(made, forked(source))
        told += sum(sum(event.drafted) for event in events)
    assert told > 0


def forked(source: Prompt) -> Search[Selection]:
    """A branch that others go on from."""
    live = yield Fork(source, 2)
    yield Advance(live, Tokens(6))
    live += yield Fork(live[0], 2)
    yield Advance(live, Finish())
    return chosen(live)


def cut(source: Prompt, first: int, to: int, then: int) -> Search[Selection]:
    """Back from `first` tokens to `to`, and `then` more."""
    (branch,) = yield Fork(source, 1)
    yield Advance([branch], Tokens(first))
    yield Truncate(branch, branch.num_prompt + to)
    yield Advance([branch], Tokens(then))
    return chosen([branch])


def test_a_rewind_is_told_even_if_the_same_tokens_were_drawn_again() -> None:
    for to in (0, 2, 3):
        events = watched(toy(), cut(prompt(1, 2), 4, to, 4 - to))
        assert [event.at for event in events if event.kind == "rewind"] == [to]
        drawn = [token for event in events for token in event.tokens]
        assert len(drawn) == 4 + 4 - to and drawn[:4] == drawn[:to] + drawn[4:]


def test_a_fork_in_the_midst_of_changes() -> None:
    """The parent goes on, is cut back, and is dropped in the round in which its children are born."""

    def search() -> Search[Selection]:
        (parent,) = yield Fork(prompt(1, 2), 1)
        yield Advance([parent], Tokens(5))
        yield Append(parent, "ab")
        live = yield Fork(parent, 2)
        yield Truncate(parent, 4)
        live += yield Fork(parent, 1)
        live += yield Fork(live[0], 1)
        yield Truncate(live[0], 3)
        live += yield Fork(live[0], 1)
        yield Truncate(parent, 3)
        yield Append(parent, "ba")  # as long as it was told to be, and another text
        live += yield Fork(parent, 1)
        yield Extend([parent], [1])
        yield Drop([parent])
        yield Advance(live, Tokens(2))
        return chosen(live)

    heard = replay(watched(toy(num_pages=200), search()))
    assert [branch.parent for branch in heard] == [None, 0, 0, 0, 1, 1, 0]


def test_inner_searches_are_told_of() -> None:
    def inner(seed: int) -> Search[Selection]:
        live = yield Fork(prompt(1, seed=seed), 2)
        yield Advance(live, Tokens(2 + seed))
        return chosen(live)

    def search() -> Search[Selection]:
        selections = yield Together([inner(0), inner(1)])
        branches = [e.branch for s in selections for e in s.ended]
        return Selection(Ended.of(branches[0]), tuple(map(Ended.of, branches)))

    events = watched(toy(), search())
    assert [e.branch for e in events if e.kind == "fork"] == [0, 1, 2, 3]
    assert {e.reason for e in events if e.kind == "drop"} == {"unfinished"}


@pytest.mark.parametrize("stop", [(), ("é",), ("ébé",), ("bé!", "b"), ("nie",), ("\ufffd",)])
def test_text_comes_in_whole_characters_and_never_the_beginning_of_a_stop_text(stop: tuple[str, ...]) -> None:
    """Bytes as tokens: every event's text is the beginning of the final one, and no character is in pieces."""
    written = "aébé😀bé".encode() + b"\xff" + "ébénn".encode()
    for end in range(1, len(written) + 1):
        made = engine_of(Bytes(), scripted(*written))
        events = watched(made, grown(prompt(97, max_tokens=end, stop=stop), 1, Finish()))
        texts = [event.text for event in events if event.kind == "advance"]
        (final,) = (heard.text for heard in replay(events))
        assert final.startswith("".join(texts))
        assert not any(s in "".join(texts) for s in stop)
        assert stop == ("\ufffd",) or end < 2 or "".join(texts) or final == "" or final.startswith(stop[0][0])


def test_a_stop_text_that_the_search_put_there_is_taken_back() -> None:
    def search() -> Search[Selection]:
        (branch,) = yield Fork(prompt(0, stop=("ab",)), 1)
        yield Advance([branch], Tokens(1))
        yield Append(branch, "xab")
        yield Advance([branch], Tokens(1))
        return chosen([branch])

    codec = Words("x", "ab", "xab", "q", ".")
    events = watched(engine_of(codec, scripted(0, 2, 1)), search())
    assert replay(events)[0].text == "xx"
    assert [event.kind for event in events if event.text == "xx"] == ["rewind"]


class Streamed(Bytes):
    """Bytes that can be decoded one by one, counted."""

    pushed = 0

    def stream(self, context: Any = ()) -> TextStream:
        """As a tokenizer's."""

        def bytes_of(token: int) -> bytes:
            self.pushed += 1
            return bytes([token])

        return TextStream(bytes_of, context, strips_first_space=False)

    def continuation(self, context: Any, ids: Any) -> str:
        """By the stream, as a tokenizer does."""
        stream = self.stream(context)
        return "".join([stream.push(token) for token in ids]) + stream.finish()


def test_a_plain_stream_decodes_each_token_once() -> None:
    codec, written = Streamed(), "aé😀b".encode() * 30
    events = watched(engine_of(codec, scripted(*written)), grown(prompt(97, max_tokens=len(written)), 1, Finish()))
    assert replay(events)[0].text == written.decode()
    assert codec.pushed < 4 * len(written)  # once as they come, and the whole text where it ends and is compared


@given(parts=st.lists(st.binary(max_size=4), max_size=12), at=st.integers(0, 12), stop=st.sampled_from(("", "é", "ab")))
def test_a_twin_goes_on_as_the_first_does(parts: list[bytes], at: int, stop: str) -> None:
    for codec in (Bytes(), Streamed()):
        one = Telling(codec, [195], (stop,) if stop else ())
        for part in parts[:at]:
            one.push(list(part))
        two = one.twin()
        assert two.text == one.text
        for part in parts[at:]:
            assert two.push(list(part)) == one.push(list(part))
        if not stop:
            whole = codec.continuation([195], list(b"".join(parts)))
            assert whole.startswith(one.text)
            assert one.close(whole) == two.close(whole)


def test_a_watcher_that_fails_ends_its_own_search() -> None:
    def fail(event: Event) -> None:
        raise OSError("gone")

    made = toy(num_pages=200)
    driver, events = Driver(made), list[Event]()
    broken = driver.submit(grown(prompt(1), 2, Tokens(3)), watch=fail)
    whole = driver.submit(grown(prompt(1), 2, Tokens(3)), watch=events.append)
    driver.run()
    assert isinstance(broken.error, OSError) and whole.result is not None
    check_replay(events, whole, made.target.codec)
    assert is_empty(made)
