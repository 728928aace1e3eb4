"""The book of one model: which branch holds which pages. Every verb of the engine ends in a few of these calls."""

from collections.abc import Iterable, Sequence

from ramify.core.errors import BooksUnbalanced, OutOfPages
from ramify.kv.pages import Copy, PagePool, PageTable, follow, fork, grow, pages_for, pages_needed, truncate
from ramify.kv.prefix import PrefixTree

Demand = tuple[int, int]  # (branch id, length its table should reach)


class Book:
    """Page tables of one model's branches over one pool, and the prefix tree beside them."""

    def __init__(self, num_pages: int, page_size: int) -> None:
        self.pool = PagePool(num_pages, page_size)
        self.tree = PrefixTree(self.pool)
        self.tables: dict[int, PageTable] = {}

    @property
    def free(self) -> int:
        """Pages that a verb can have: nobody's, and those only the prefix tree holds."""
        return self.pool.num_free + self.pool.num_idle

    def open(self, branch: int, tokens: Sequence[int], *, reuse: bool = True, salt: str = "") -> int:
        """Start a table; returns how many leading tokens of `tokens` its pages already hold."""
        pages = self.tree.match(tokens, salt) if reuse else []
        for page in pages:
            self.pool.retain(page)
        self.tables[branch] = PageTable(list(pages), len(pages) * self.pool.page_size)
        return self.tables[branch].length

    def clone(self, source: int, branch: int) -> None:
        """Give `branch` a table that shares all of `source`'s pages, in place of what it had."""
        theirs = self.tables[source]
        if branch in self.tables:
            follow(self.pool, self.tables[branch], theirs)
        else:
            self.tables[branch] = fork(self.pool, theirs)

    def needed(self, demands: Iterable[Demand]) -> int:
        """Pages that growing these tables takes."""
        return pages_needed(self.pool, ((self.tables[branch], length) for branch, length in demands))

    def grow(self, demands: Sequence[Demand]) -> list[Copy]:
        """Grow every table, or none.

        Returns: the page copies to carry out before anything is written.
        Raises:
            OutOfPages: more pages are needed than are free; nothing was changed.
        """
        needed = self.needed(demands)
        if needed > self.free:
            raise OutOfPages(needed, self.free, len(self.tables))
        if needed > self.pool.num_free:
            self.tree.evict(needed - self.pool.num_free)
        copies = (grow(self.pool, self.tables[branch], length) for branch, length in demands)
        return [copy for copy in copies if copy is not None]

    def publish(self, branch: int, tokens: Sequence[int], salt: str = "") -> None:
        """Make the full pages of the branch's committed tokens findable, by texts of the same salt."""
        table = self.tables[branch]
        self.tree.publish(tokens[: table.length], table.pages, salt)

    def truncate(self, branch: int, length: int) -> None:
        """Forget the branch's tokens from `length` on."""
        truncate(self.pool, self.tables[branch], length)

    def close(self, branch: int) -> None:
        """Give back every page of a branch."""
        truncate(self.pool, self.tables.pop(branch), 0)

    def unique_pages(self, branches: Iterable[int]) -> int:
        """Distinct pages that these branches hold together."""
        return len({page for branch in branches if branch in self.tables for page in self.tables[branch].pages})

    def check(self) -> None:
        """Audit: every page is held exactly as often as its holders say, every table fits its length.

        Raises:
            BooksUnbalanced: pages were lost or counted twice.
        """
        pool, refs = self.pool, [0] * self.pool.num_pages
        for branch, table in self.tables.items():
            if len(table.pages) != pages_for(table.length, pool.page_size):
                raise BooksUnbalanced(f"branch {branch}: {table.length} tokens in {len(table.pages)} pages")
            for page in table.pages:
                refs[page] += 1
        published = [False] * pool.num_pages
        for node in self.tree.nodes():
            refs[node.page] += 1
            published[node.page] = True
        wrong = [p for p in range(pool.num_pages) if (refs[p], published[p]) != (pool.refs[p], pool.published[p])]
        if wrong:
            raise BooksUnbalanced(f"pages {wrong[:5]} are held {[refs[p] for p in wrong[:5]]} times, not as counted")
        idle = sum(published[p] and refs[p] == 1 for p in range(pool.num_pages))
        if pool.num_free != refs.count(0) or idle != pool.num_idle:
            raise BooksUnbalanced(
                f"{pool.num_free} pages free and {pool.num_idle} idle, not {refs.count(0)} and {idle}"
            )
