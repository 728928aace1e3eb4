"""Pages: who holds them, who may write."""

import pytest

from ramify.core.errors import BooksUnbalanced
from ramify.kv.pages import Copy, PagePool, PageTable, fork, grow, pages_for, pages_needed, truncate


def pool_and_table(length: int, page_size: int = 4, num_pages: int = 8) -> tuple[PagePool, PageTable]:
    pool, table = PagePool(num_pages, page_size), PageTable()
    grow(pool, table, length)
    return pool, table


@pytest.mark.parametrize(("length", "pages"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_pages_for(length: int, pages: int) -> None:
    assert pages_for(length, 4) == pages


def test_fresh_pages_come_out_ascending() -> None:
    assert pool_and_table(12)[1].pages == [0, 1, 2]


def test_a_fork_costs_nothing_until_it_writes() -> None:
    pool, table = pool_and_table(6)
    child = fork(pool, table)
    assert (child.pages, child.length, pool.num_free) == ([0, 1], 6, 6)
    assert pages_needed(pool, [(child, 7)]) == 1
    assert grow(pool, child, 7) == Copy(1, 2, 2)
    assert (child.pages, table.pages, pool.refs[:3]) == ([0, 2], [0, 1], [2, 1, 1])


def test_the_last_holder_writes_in_place() -> None:
    pool, table = pool_and_table(6)
    child = fork(pool, table)
    assert pages_needed(pool, [(child, 7), (table, 7)]) == 1
    assert grow(pool, child, 7) is not None
    assert grow(pool, table, 7) is None


def test_many_forks_that_write_leave_one_in_place() -> None:
    pool, table = pool_and_table(6, num_pages=16)
    children = [fork(pool, table) for _ in range(5)]
    truncate(pool, table, 0)
    assert pages_needed(pool, [(c, 7) for c in children]) == 4
    assert sum(grow(pool, c, 7) is not None for c in children) == 4
    assert pool.num_free == 16 - 1 - 5


def test_a_full_last_page_is_never_copied() -> None:
    pool, table = pool_and_table(8)
    child = fork(pool, table)
    assert grow(pool, child, 9) is None
    assert pages_needed(pool, [(table, 9)]) == 1


def test_a_published_page_is_copied_even_by_its_only_holder() -> None:
    pool, table = pool_and_table(8)
    pool.publish(table.pages[1])
    truncate(pool, table, 6)
    assert pages_needed(pool, [(table, 7)]) == 1
    assert grow(pool, table, 7) == Copy(1, 2, 2)
    assert pool.num_idle == 1


def test_growing_to_less_does_nothing() -> None:
    pool, table = pool_and_table(6)
    assert pages_needed(pool, [(table, 5), (table, 6)]) == 0
    assert grow(pool, table, 5) is None
    assert table.length == 6


def test_truncating_to_more_does_nothing() -> None:
    pool, table = pool_and_table(6)
    truncate(pool, table, 9)
    assert (table.length, len(table.pages)) == (6, 2)


def test_a_page_is_released_once() -> None:
    pool, table = pool_and_table(3)
    truncate(pool, table, 0)
    with pytest.raises(BooksUnbalanced, match="page 0"):
        pool.release(0)


def test_idle_pages_are_counted() -> None:
    pool, table = pool_and_table(4)
    pool.publish(0)
    assert pool.num_idle == 0
    truncate(pool, table, 0)
    assert (pool.num_idle, pool.num_free) == (1, 7)
    pool.retain(0)
    assert pool.num_idle == 0
    pool.release(0)
    pool.unpublish(0)
    assert (pool.num_idle, pool.num_free) == (0, 8)
