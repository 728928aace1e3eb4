"""A step as data: where rows go, and which pages are found to be shared."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ramify.model import sharing
from ramify.model.plan import FEW, run_of_slots, step_batch
from ramify.model.sharing import shared_pages


def test_rows_positions_and_slots():
    batch = step_batch([((7,), 5, [3, 1]), ((8, 9, 10), 3, [0, 9]), ((4,), 0, [2])], 4, share_prefixes=True)
    assert batch.tokens_R.tolist() == [7, 8, 9, 10, 4]
    assert batch.positions_R.tolist() == [5, 3, 4, 5, 0]
    assert batch.slots_R.tolist() == [5, 3, 36, 37, 8]
    assert batch.span_R.tolist() == [0, 1, 1, 1, 2]
    assert [(s.first_row, s.num_rows, s.start) for s in batch.spans] == [(0, 1, 5), (1, 3, 3), (4, 1, 0)]


def test_long_spans_are_chunks():
    batch = step_batch([((1,) * FEW, 0, [0]), ((1,) * (FEW + 1), 0, [1])], FEW + 1, share_prefixes=True)
    assert batch.chunks == [1]
    assert batch.few_R.tolist() == list(range(FEW))


def test_a_table_that_is_too_short_is_our_mistake():
    with pytest.raises(AssertionError, match="too short"):
        step_batch([((1, 2), 7, [0, 1])], 4, share_prefixes=False)


@pytest.mark.parametrize(("pages", "run"), [([4, 5, 6], True), ([4, 6, 5], False), ([4, 5, 7], False)])
def test_slots_of_consecutive_pages_are_a_slice(pages, run):
    slots = run_of_slots(np.array(pages, np.int32), 4, 3, 7)
    assert isinstance(slots, slice) == run
    listed = torch.arange(100)[slots].tolist()
    assert listed == [4 * pages[(3 + i) // 4] + (3 + i) % 4 for i in range(7)]


def tree(branches, trunk, twigs, leaf):
    """Tables of `branches` under each of `twigs` (pages each) under one trunk."""
    fresh = iter(range(10_000))
    stem = [next(fresh) for _ in range(trunk)]
    tables = []
    for twig in twigs:
        limb = [next(fresh) for _ in range(twig)]
        tables += [stem + limb + [next(fresh) for _ in range(leaf)] for _ in range(branches)]
    return tables


def found(tables, page_size=16, starts=None, kv_width=4096):
    starts = starts or [len(table) * page_size - 1 for table in tables]
    batch = step_batch(
        [((1,), start, table) for start, table in zip(starts, tables, strict=True)],
        page_size,
        share_prefixes=True,
        kv_width=kv_width,
    )
    return batch, [(part.spans.tolist(), part.first, part.last) for part in batch.shared]


def test_forks_of_one_prompt_are_one_group():
    batch, groups = found(tree(8, 20, [0], 2))
    assert groups == [(list(range(8)), 0, 320)]
    assert batch.own_S.tolist() == [320] * 8


def test_groups_nest():
    batch, groups = found(tree(8, 8, [8, 8], 1))
    assert groups == [(list(range(16)), 0, 128), (list(range(8)), 128, 256), (list(range(8, 16)), 128, 256)]
    assert set(batch.own_S.tolist()) == {256}


def test_a_short_edge_is_left_to_those_below_it():
    _, groups = found(tree(8, 1, [20, 20], 1))  # 16 common tokens are not worth a product of their own
    assert groups == [(list(range(8)), 0, 336), (list(range(8, 16)), 0, 336)]


def test_small_gains_are_left_alone():
    assert found(tree(2, 20, [0], 1))[1] == []
    assert found(tree(9, 1, [0], 1))[1] == []
    assert found(tree(8, 20, [0], 1), kv_width=512)[1] == []


def test_a_page_that_rows_write_into_is_not_shared():
    tables = tree(8, 20, [0], 0)
    _, groups = found(tables, starts=[319] * 8)
    assert groups == [(list(range(8)), 0, 304)]


def test_sharing_can_be_off():
    batch = step_batch([((1,), 320, table) for table in tree(8, 20, [0], 1)], 16, share_prefixes=False)
    assert batch.shared == []
    assert batch.own_S.tolist() == [0] * 8


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=12), st.data())
def test_groups_hold_equal_pages_and_leave_no_gap(paths, data):
    names = {}
    tables = [[names.setdefault(tuple(path[: i + 1]), len(names)) for i in range(len(path))] for path in paths]
    full_S = np.array([data.draw(st.integers(0, len(t))) for t in tables])
    flat = np.array([page for table in tables for page in table], np.int32)
    offset_S = np.cumsum([0, *map(len, tables)])[:-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "LEAST_TOKENS", data.draw(st.integers(1, 3)))
        patch.setattr(sharing, "LEAST_SAVED", data.draw(st.integers(1, 6)))
        patch.setattr(sharing, "PRODUCTS", 1)
        parts = shared_pages(flat, offset_S, full_S, 1, 1)
    reached = dict.fromkeys(range(len(tables)), 0)
    for part in parts:
        assert len(part.spans) > 1
        for span in part.spans.tolist():
            assert part.first == reached[span]
            assert part.last <= full_S[span]
            assert tables[span][part.first : part.last] == part.pages.tolist()
            reached[span] = part.last
