"""Room is exact: one more token would not fit; what fits is what a page table of the same branches would hold."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.ledger import Ledger
from ramify.core.sampling import Sampling
from ramify.core.types import Branch, Budget, Prompt
from ramify.kv.book import Book
from ramify.remote.answers import Drawn, Piece
from ramify.remote.books import Books
from ramify.remote.requests import Source
from ramify.remote.room import pages_of, room
from tests.remote.fakes import ToyServer
from tests.remote.laws import ON_IDS, run_once

LIMIT = 40


def root_of(books: Books) -> Branch:
    return books.open(Prompt((1,), Sampling(max_tokens=LIMIT)), Source("ids"), (1,), 1 << 30)


def grow(books: Books, branch: Branch, count: int) -> None:
    books.grow(branch, Drawn([Piece("a" * count, ids=(1,) * count)]), count)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), size=st.integers(1, 5))
def test_room_is_exact(data: st.DataObject, size: int) -> None:
    """Any tree of forks: after `room` tokens each the pages suffice, after one more they do not."""
    books = Books(Ledger())
    live = books.fork(root_of(books), data.draw(st.integers(1, 4)), None)
    for _ in range(data.draw(st.integers(0, 4))):
        branch = data.draw(st.sampled_from(live))
        grow(books, branch, data.draw(st.integers(0, 6)))
        live += books.fork(branch, data.draw(st.integers(0, 2)) or 1, None)
    family = {id_: node.branch for id_, node in books.tree.items()}
    now = set[Any]().union(*(pages_of(b, 0, family, size) for b in live))
    pages = data.draw(st.integers(len(now) or 1, len(now) + 12))
    tokens = room(live, live, family, pages, size)

    def needed(count: int) -> int:
        return len(set[Any]().union(*(pages_of(b, count, family, size) for b in live)))

    assert needed(tokens) <= pages or tokens == 0
    longest = max(b.max_length - len(b.tokens) for b in live)
    assert tokens == longest or needed(tokens + 1) > pages


@settings(max_examples=100, deadline=None)
@given(data=st.data(), size=st.integers(1, 4))
def test_pages_are_those_of_a_page_table(data: st.DataObject, size: int) -> None:
    """The engine's own book, fed the same forks and lengths, holds as many (a fork's last page copied by now)."""
    books, book = Books(Ledger()), Book(512, size)
    root = root_of(books)
    live = books.fork(root, data.draw(st.integers(1, 3)), None)
    for b in live:
        book.open(b.id, ())
    for _ in range(data.draw(st.integers(0, 4))):
        parent = data.draw(st.sampled_from(live))
        grow(books, parent, data.draw(st.integers(1, 5)))
        _store(book, parent)
        [child] = books.fork(parent, 1, None)
        book.clone(parent.id, child.id)
        live.append(child)
        grow(books, child, 2)  # both write behind the fork
        _store(book, child)
    family = {id_: node.branch for id_, node in books.tree.items()}
    held = set[Any]().union(*(pages_of(b, 0, family, size) for b in live))
    assert len(held) <= book.unique_pages(b.id for b in live) <= len(held) + len(live)


def _store(book: Book, branch: Branch) -> None:
    book.grow([(branch.id, branch.num_generated - 1)])


def test_speculative_rejection_fills_what_it_is_given() -> None:
    """Eight candidates in sixteen pages of two: three rows and the last token, then half of them go."""
    able = replace(ON_IDS, page_size=2)
    sampling = Sampling(max_tokens=12)
    for seed in range(4):
        budget = Budget(pages=16)
        _, chosen = run_once(
            "speculative-rejection", able, ToyServer(), sampling=sampling, seed=seed, budget=budget, n=8
        )
        assert chosen.rounds[0]["tau"] == 5 and chosen.rounds[0]["b"] == 8
        assert any(e.stopped_because == "rejected" for e in chosen.ended)


def test_rejecting_nobody_is_best_of_n() -> None:
    sampling = Sampling(max_tokens=12)
    able = replace(ON_IDS, page_size=2)
    for seed in range(4):
        run, chosen = run_once(
            "speculative-rejection", able, ToyServer(), sampling=sampling, seed=seed, budget=Budget(pages=999), n=6
        )
        plain, best = run_once("best-of-n", able, ToyServer(), sampling=sampling, seed=seed, n=6)
        assert run.text_of(chosen.best.branch) == plain.text_of(best.best.branch)


def test_a_method_that_fills_its_room_needs_to_know_it() -> None:
    with pytest.raises(ValueError, match=r"budget\.pages"):
        run_once("speculative-rejection", ON_IDS, ToyServer(), sampling=Sampling(max_tokens=8), n=4)
