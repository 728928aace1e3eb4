"""The book of one model against a naive one: every branch its own list of tokens, no page shared, none reused."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ramify.core.errors import BooksUnbalanced, OutOfPages
from ramify.kv.book import Book

PAGES, SIZE = 12, 3
PICK = st.integers(0, 1000)
PROMPTS = [[1, 1, 1, 1], [1, 1, 1, 1, 1, 2, 2], [1, 1, 1, 2], [2] * 9]


class Naive(RuleBasedStateMachine):
    """`texts` are the tokens that each branch's pages should hold; `slots` is what is in the pages."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book(PAGES, SIZE)
        self.slots = [-1] * (PAGES * SIZE)
        self.texts: dict[int, list[int]] = {}
        self.next = 0

    def _pick(self, pick: int) -> int:
        return sorted(self.texts)[pick % len(self.texts)]

    @rule(prompt=st.sampled_from(PROMPTS), reuse=st.booleans())
    def open(self, prompt: list[int], reuse: bool) -> None:
        """A branch of a prompt: what is published is found, the rest is read as far as there is room."""
        self.next += 1
        found = self.book.open(self.next, prompt, reuse=reuse)
        self.texts[self.next] = prompt[:found]
        self._write({self.next: prompt[found:]})
        self.book.publish(self.next, prompt)

    @precondition(lambda self: self.texts)
    @rule(pick=PICK)
    def clone(self, pick: int) -> None:
        """A fork."""
        self.next += 1
        self.book.clone(self._pick(pick), self.next)
        self.texts[self.next] = list(self.texts[self._pick(pick)])

    @precondition(lambda self: len(self.texts) > 1)
    @rule(pick=PICK, other=PICK)
    def clone_over(self, pick: int, other: int) -> None:
        """A follower gives up what it had for what its leader has."""
        source, target = self._pick(pick), self._pick(other)
        if source != target:
            self.book.clone(source, target)
            self.texts[target] = list(self.texts[source])

    @precondition(lambda self: self.texts)
    @rule(picks=st.lists(st.tuples(PICK, st.lists(st.integers(3, 9), max_size=5)), min_size=1, max_size=5))
    def grow(self, picks: list[tuple[int, list[int]]]) -> None:
        """Several branches take in tokens together, or none does."""
        self._write({self._pick(pick): tokens for pick, tokens in picks})

    def _write(self, more: dict[int, list[int]]) -> None:
        demands = [(branch, len(self.texts[branch]) + len(tokens)) for branch, tokens in more.items()]
        needed, free = self.book.needed(demands), self.book.free
        before = {branch: (list(t.pages), t.length) for branch, t in self.book.tables.items()}
        if needed > free:
            with pytest.raises(OutOfPages):
                self.book.grow(demands)
            assert {branch: (t.pages, t.length) for branch, t in self.book.tables.items()} == before
            assert self.book.free == free
            return
        copies = self.book.grow(demands)
        assert len({copy.dst for copy in copies}) == len(copies)
        assert not {copy.dst for copy in copies} & {copy.src for copy in copies}
        for copy in copies:
            for offset in range(SIZE):
                kept = self.slots[copy.src * SIZE + offset] if offset < copy.count else -1
                self.slots[copy.dst * SIZE + offset] = kept
        for branch, tokens in more.items():
            for token in tokens:
                at = len(self.texts[branch])
                self.slots[self.book.tables[branch].pages[at // SIZE] * SIZE + at % SIZE] = token
                self.texts[branch].append(token)
        assert free - self.book.free <= needed  # a published page that was copied is idle again

    @precondition(lambda self: self.texts)
    @rule(pick=PICK, length=st.integers(0, 12))
    def truncate(self, pick: int, length: int) -> None:
        """Back to some length (to more than there is: nothing)."""
        self.book.truncate(self._pick(pick), length)
        del self.texts[self._pick(pick)][length:]

    @precondition(lambda self: self.texts)
    @rule(pick=PICK)
    def close(self, pick: int) -> None:
        """A branch is dropped."""
        branch = self._pick(pick)
        self.book.close(branch)
        del self.texts[branch]

    @invariant()
    def every_branch_reads_its_own_text(self) -> None:
        """Through its page table; and the books balance."""
        self.book.check()
        for branch, text in self.texts.items():
            table = self.book.tables[branch]
            assert [self.slots[table.pages[at // SIZE] * SIZE + at % SIZE] for at in range(table.length)] == text
        held = {page for table in self.book.tables.values() for page in table.pages}
        assert self.book.free == PAGES - len(held)
        assert self.book.unique_pages(self.texts) == len(held)

    def teardown(self) -> None:
        """All pages come back, and the idle ones can all be had."""
        for branch in self.texts:
            self.book.close(branch)
        assert self.book.free == PAGES
        self.book.open(0, ())
        self.book.grow([(0, PAGES * SIZE)])
        self.book.check()


TestNaive = Naive.TestCase
TestNaive.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


def test_out_of_pages_says_how_many() -> None:
    book = Book(4, 2)
    for branch in (1, 2):
        book.open(branch, ())
    book.grow([(1, 5)])
    with pytest.raises(OutOfPages, match="3 pages needed, 1 free, 2 branches alive"):
        book.grow([(2, 3), (1, 7)])


def broken(what: str) -> Book:
    book = Book(4, 2)
    book.open(1, ())
    book.grow([(1, 4)])
    if what == "lost":
        book.tables.pop(1)
    elif what == "held twice":
        book.tables[2] = book.tables[1]
    elif what == "too short":
        book.tables[1].length = 1
    elif what == "published":
        book.pool.published[0] = True
    elif what == "idle":
        book.pool.num_idle = 1
    else:
        book.pool._free.pop()
    return book


@pytest.mark.parametrize("what", ["lost", "held twice", "too short", "published", "idle", "free"])
def test_the_audit_sees(what: str) -> None:
    with pytest.raises(BooksUnbalanced):
        broken(what).check()
