"""Pages of key-value slots: who holds them, who may write. Pure bookkeeping; the numbers live in a store.

A page is a fixed run of slots. It is writable only when held once and unpublished; a writer that finds its last page
shared copies that page first (copy on write), so a fork costs at most one page per child, and only if both go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ramify.core.errors import BooksUnbalanced


class PagePool:
    """Reference-counted pages 0 .. num_pages - 1 of `page_size` slots each."""

    def __init__(self, num_pages: int, page_size: int) -> None:
        self.num_pages, self.page_size = num_pages, page_size
        self.refs = [0] * num_pages
        self.published = [False] * num_pages
        self.num_idle = 0  # published and held by the prefix tree alone: as good as free
        self._free = list(range(num_pages))[::-1]  # fresh pages come out ascending: long prompts lie contiguously

    @property
    def num_free(self) -> int:
        """Pages nobody holds."""
        return len(self._free)

    def take(self) -> int:
        """A page nobody holds, now held once. The caller has made sure there is one."""
        page = self._free.pop()
        self.refs[page] = 1
        return page

    def retain(self, page: int) -> None:
        """Hold a page once more."""
        if self.published[page] and self.refs[page] == 1:
            self.num_idle -= 1
        self.refs[page] += 1

    def release(self, page: int) -> None:
        """Hold a page once less; the last holder frees it."""
        if self.refs[page] <= 0:
            raise BooksUnbalanced(f"page {page} released more often than held")
        self.refs[page] -= 1
        if self.refs[page] == 0:
            self._free.append(page)
        elif self.refs[page] == 1 and self.published[page]:
            self.num_idle += 1

    def publish(self, page: int) -> None:
        """Make a page read-only and hold it for the prefix tree."""
        self.refs[page] += 1
        self.published[page] = True

    def unpublish(self, page: int) -> None:
        """Undo `publish`, for a page that only the tree holds."""
        self.published[page] = False
        self.num_idle -= 1
        self.release(page)

    def writable(self, page: int) -> bool:
        """Whether its one holder may write into it."""
        return self.refs[page] == 1 and not self.published[page]


@dataclass(slots=True)
class PageTable:
    """The pages of one branch in one model, and how many tokens they hold."""

    pages: list[int] = field(default_factory=list)
    length: int = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """The first `count` slots of page `src`, to be copied to page `dst`."""

    src: int
    dst: int
    count: int


def pages_for(length: int, page_size: int) -> int:
    """Pages that hold `length` tokens."""
    return -(-length // page_size)


def pages_needed(pool: PagePool, demands: Iterable[tuple[PageTable, int]]) -> int:
    """Pages that growing every table to its new length takes, copies of shared last pages included."""
    fresh, writers = 0, dict[int, int]()
    for table, length in demands:
        if length <= table.length:
            continue
        fresh += pages_for(length, pool.page_size) - len(table.pages)
        if table.length % pool.page_size:
            writers[table.pages[-1]] = writers.get(table.pages[-1], 0) + 1
    for page, count in writers.items():
        others = pool.refs[page] - count
        fresh += count if others or pool.published[page] else count - 1  # the last holder writes in place
    return fresh


def grow(pool: PagePool, table: PageTable, length: int) -> Copy | None:
    """Give `table` writable slots up to `length` tokens; a copy that this needs is the caller's to carry out."""
    if length <= table.length:
        return None
    copy, filled = None, table.length % pool.page_size
    if filled and not pool.writable(table.pages[-1]):
        src, dst = table.pages[-1], pool.take()
        pool.release(src)
        table.pages[-1], copy = dst, Copy(src, dst, filled)
    while len(table.pages) * pool.page_size < length:
        table.pages.append(pool.take())
    table.length = length
    return copy


def fork(pool: PagePool, table: PageTable) -> PageTable:
    """A table that shares every page."""
    for page in table.pages:
        pool.retain(page)
    return PageTable(table.pages.copy(), table.length)


def follow(pool: PagePool, table: PageTable, other: PageTable) -> None:
    """Make `table` share every page of `other`, in place; only pages from the first difference on change hands."""
    pages, common = other.pages, min(len(table.pages), len(other.pages))
    if table.pages[:common] != pages[:common]:  # a sibling's table differs in its last page at most
        common = common - 1 if table.pages[: common - 1] == pages[: common - 1] else 0
    for page in pages[common:]:
        pool.retain(page)
    for page in reversed(table.pages[common:]):
        pool.release(page)
    table.pages[common:] = pages[common:]
    table.length = other.length


def truncate(pool: PagePool, table: PageTable, length: int) -> None:
    """Forget all tokens from `length` on and release the pages that only they used."""
    keep = pages_for(length, pool.page_size)
    for page in reversed(table.pages[keep:]):
        pool.release(page)
    del table.pages[keep:]
    table.length = min(table.length, length)
