"""The prefix tree against a dictionary: every run of verbs, drawn by hypothesis."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ramify.kv.pages import PagePool
from ramify.kv.prefix import PrefixTree

SIZE = 2
TEXT = st.lists(st.integers(0, 1), max_size=11)
SALT = st.sampled_from(("", "x", "y"))
Key = tuple[int | str, ...]  # a salt, and tokens


class Dictionary(RuleBasedStateMachine):
    """`known` maps a salt and the tokens up to a page's end to (page, time of last use); `held` are branches' pages."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = PagePool(64, SIZE)
        self.tree = PrefixTree(self.pool)
        self.known: dict[Key, tuple[int, int]] = {}
        self.held: list[list[int]] = []
        self.now = 0

    def _prefixes(self, text: list[int], salt: str) -> list[Key]:
        return [(salt, *text[:end]) for end in range(SIZE, len(text) + 1, SIZE)]

    def _use(self, keys: list[Key]) -> None:
        self.now += 1
        for key in keys:
            self.known[key] = (self.known[key][0], self.now)

    @rule(text=TEXT, more=TEXT, salt=SALT)
    def read(self, text: list[int], more: list[int], salt: str) -> None:
        """A branch finds the beginning of its text, reads the rest, publishes all."""
        matched, keys = self.tree.match(text, salt), self._prefixes(text, salt)
        found = [key for i, key in enumerate(keys) if all(k in self.known for k in keys[: i + 1])]
        assert matched == [self.known[key][0] for key in found]
        self._use(found)
        self._hold(text + more, salt, matched)

    @rule(text=TEXT, salt=SALT)
    def read_all_again(self, text: list[int], salt: str) -> None:
        """A branch that may not reuse anything (it wants the log-probabilities of its prompt)."""
        self._hold(text, salt, [])

    def _hold(self, text: list[int], salt: str, pages: list[int]) -> None:
        keys = self._prefixes(text, salt)
        if len(keys) - len(pages) > self.pool.num_free:
            return
        for page in pages:
            self.pool.retain(page)
        pages = pages + [self.pool.take() for _ in keys[len(pages) :]]
        self.tree.publish(text, pages, salt)
        used = []
        for key, page in zip(keys, pages, strict=True):
            self.known.setdefault(key, (page, 0))
            used.append(key)
            if self.known[key][0] != page:
                break
        self._use(used)
        self.held.append(pages)

    @rule(pick=st.integers(0, 1000))
    def drop(self, pick: int) -> None:
        """A branch gives its pages back."""
        if self.held:
            pages = self.held.pop(pick % len(self.held))
            for page in reversed(pages):
                self.pool.release(page)

    @rule(count=st.integers(0, 5))
    def evict(self, count: int) -> None:
        """The least recently used idle pages go, what lies deeper first."""
        busy = {page for pages in self.held for page in pages}
        idle = [key for key, (page, _) in self.known.items() if page not in busy]
        going = sorted(idle, key=lambda key: (self.known[key][1], -len(key)))[:count]
        assert self.tree.evict(count) == len(going)
        for key in going:
            del self.known[key]

    @invariant()
    def same(self) -> None:
        """The tree holds what the dictionary holds, and every ancestor of it."""
        busy = {page for pages in self.held for page in pages}
        pages = {page for page, _ in self.known.values()}
        assert {node.page for node in self.tree.nodes()} == pages
        assert len(pages) == len(self.known)
        assert all(key[:-SIZE] in self.known for key in self.known if len(key) > 1 + SIZE)
        assert self.pool.num_idle == len(pages - busy)
        assert self.pool.num_free == 64 - len(pages | busy)


TestDictionary = Dictionary.TestCase
TestDictionary.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
