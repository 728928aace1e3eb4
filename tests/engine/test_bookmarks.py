"""Rewinding without reading again; and forking a prompt again goes on where the last fork of it stopped."""

import random
from dataclasses import replace
from typing import Any

import pytest

from ramify.core.registry import lookup
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Drop, Fork, Marker, Search, Tokens, Truncate
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.speculate.drafters.function import FunctionDrafter
from ramify.speculate.drafters.model import ModelDrafter
from ramify.speculate.drafters.skipping import SkippingDrafter
from ramify.speculate.plan import Always, chain
from ramify.speculate.shapes import Likeliest
from ramify.speculate.speculation import Speculation
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.toys import chosen, is_empty, prompt, texts, toy


def rewinding(source: Prompt, seed: int) -> Search[Selection]:
    """Forks and cuts back anywhere, the prompt's end included; sometimes the cut branch itself goes on."""
    dice = random.Random(seed)
    live: list[Branch] = yield Fork(source, 2)
    for _ in range(12):
        yield Advance(dice.sample(live, 1), dice.choice((Tokens(1), Tokens(3), Marker("b"))))
        base = dice.choice(live)
        children = yield Fork(base, dice.randrange(1, 3))
        yield Truncate(children[0], dice.randrange(base.num_prompt, len(base.tokens) + 1))
        yield Advance(children, Tokens(dice.randrange(1, 4)))
        yield Truncate(base, dice.randrange(base.num_prompt, len(base.tokens) + 1))
        live += children
        if len(live) > 5:
            gone = dice.sample(live, 2)
            yield Drop(gone)
            live = [b for b in live if b not in gone]
    yield Advance(live, Tokens(2))
    return chosen(live)


def drafted(engine: Engine, kind: str) -> Engine:
    drafter: Any
    if kind == "model":
        drafter = ModelDrafter(toy_model("draft", ToyModel(salt=3), num_pages=2000))
    elif kind == "skip-layers":
        drafter = SkippingDrafter(engine.target, window=4, pause=2)
    else:
        drafter = FunctionDrafter(lambda tokens, most: [1 + sum(tokens) % 2] * most, 3, reads_laws=False)
    shape = Likeliest((2, 2)) if kind == "model" else chain(3)
    engine.speculator = Speculation(drafter, lookup("verifier", "coupled"), Always(shape), 3)
    return engine


@pytest.mark.parametrize("kind", ["plain", "function", "skip-layers", "model"])
@pytest.mark.parametrize("page_size", [1, 2, 3])
def test_nothing_is_read_again(page_size: int, kind: str) -> None:
    for seed in range(6):
        source = prompt(1, 2, 1, 2, 2, seed=seed, max_tokens=40)
        engine = toy(page_size, num_pages=2000)
        engine = engine if kind == "plain" else drafted(engine, kind)
        session = run_alone(engine, rewinding(replace(source, bookmarks=True), seed))
        assert is_empty(engine)
        assert session.ledger.model("target").recomputed == 0
        plain = run_alone(toy(page_size, num_pages=2000), rewinding(source, seed))
        assert texts(session.result) == texts(plain.result)
        if kind == "plain":
            assert session.ledger.recomputed_tokens == 0
            assert plain.ledger.recomputed_tokens > 0  # what bookmarks are for


@pytest.mark.parametrize("row_budget", [1, 2, 512])
def test_in_narrow_steps_and_short_memory(row_budget: int) -> None:
    for pages in (30, 2000):
        for seed in range(3):
            source = prompt(1, 2, 1, 2, 2, seed=seed, max_tokens=40)
            engine = toy(num_pages=pages, row_budget=row_budget)
            session = run_alone(engine, rewinding(replace(source, bookmarks=True), seed))
            assert texts(session.result) == texts(run_alone(toy(num_pages=2000), rewinding(source, seed)).result)
            assert session.ledger.recomputed_tokens == 0 or pages == 30
            assert is_empty(engine)


def in_pieces(source: Prompt, pieces: tuple[int, ...], drop: bool, grow: int) -> Search[Selection]:
    everyone: list[Branch] = []
    live: list[Branch] = []
    for n in pieces:
        if drop:
            yield Drop(live)
            live = []
        more = yield Fork(source, n)
        yield Advance(more, Tokens(grow))
        everyone += more
        live += more
    return chosen(everyone)


LONG = tuple(1 + (i * i // 3) % 2 for i in range(21))


@pytest.mark.parametrize("pieces", [(1, 5), (2, 1, 3), (5, 1), (1, 1, 1, 1, 1, 1)])
@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("page_size", [1, 2, 4])
def test_forking_a_prompt_again_goes_on(pieces: tuple[int, ...], drop: bool, page_size: int) -> None:
    """Draw for draw what one fork gives; the prompt is billed once, and read once while somebody stands there."""
    for wish in ({}, {"prompt_logprobs": 1}, {"temperature": 0.5, "logprobs": 1}):
        source = prompt(*LONG, max_tokens=9, **wish)  # type: ignore[arg-type]
        engine = toy(page_size, num_pages=400)
        session = run_alone(engine, in_pieces(source, pieces, drop, 4))
        once = run_alone(toy(page_size, num_pages=400), in_pieces(source, (6,), False, 4))
        assert texts(session.result) == texts(once.result)
        assert session.ledger.prompt_tokens == len(LONG)
        assert is_empty(engine)
        if "prompt_logprobs" in wish:
            continue  # every row of the prompt is wanted
        spare = len(pieces) - 1 if drop else 0
        tail = (len(LONG) - 1) % page_size + 1  # the prefix tree holds whole pages, the last token is always read
        drawn = 6 * 3  # the last token of each is read by nobody
        assert session.ledger.model("target").tokens <= len(LONG) + spare * tail + drawn


def test_both_ways_of_forking_number_their_children() -> None:
    def search() -> Search[Selection]:
        source = prompt(1, 2, max_tokens=9)
        live = (yield Fork(source, 2)) + (yield Fork(source, 1, 0.5)) + (yield Fork(source, 1))
        live += (yield Fork(live[0], 2)) + (yield Fork(live[0], 1, 0.0))
        assert len({b.address for b in live}) == 7
        assert [b.sampling.temperature for b in live] == [1, 1, 0.5, 1, 1, 1, 0]
        assert [b.rule.temperature for b in live] == [1, 1, 0.5, 1, 1, 1, 0]
        yield Advance(live, Tokens(3))
        return chosen(live)

    four = run_alone(toy(), in_pieces(prompt(1, 2, max_tokens=9), (4,), False, 3))
    mixed = run_alone(toy(), search())
    assert [texts(mixed.result)[i] for i in (0, 1, 3)] == [texts(four.result)[i] for i in (0, 1, 3)]
