"""The paged store: copies, appends, reads."""

import pytest
import torch

from ramify.kv.store import PagedStore


@pytest.fixture(params=[torch.float32, torch.bfloat16])
def store(request):
    store = PagedStore(num_layers=2, num_kv_heads=3, head_dim=4, num_pages=5, page_size=8, dtype=request.param)
    for x in (*store.k, *store.v):
        x.normal_()
    return store


def test_bytes_of_a_page(store):
    assert store.bytes_per_page * store.num_pages == sum(x.nbytes for x in (*store.k, *store.v))


def test_copy_page_copies_the_leading_slots_of_every_layer_and_nothing_else(store):
    before = [x.clone() for x in (*store.k, *store.v)]
    store.copy_page(1, 3, 5)
    for old, new in zip(before, (*store.k, *store.v), strict=True):
        old[:, 24:29] = old[:, 8:13]
        assert torch.equal(old, new)


def test_copying_many_pages_is_copying_each(store):
    before = [x.clone() for x in (*store.k, *store.v)]
    store.copy_pages([0, 0, 1], [2, 4, 3])
    for old, new in zip(before, (*store.k, *store.v), strict=True):
        for src, dst in ((0, 2), (0, 4), (1, 3)):
            old[:, 8 * dst : 8 * dst + 8] = old[:, 8 * src : 8 * src + 8]
        assert torch.equal(old, new)


def test_what_is_appended_is_read(store):
    slots, k, v = torch.tensor([17, 3, 30]), torch.randn(3, 3, 4), torch.randn(3, 3, 4)
    store.append(1, slots, k, v)
    read_k, read_v = store.read(1, slots)
    assert torch.equal(read_k, k.transpose(0, 1).to(store.dtype))
    assert torch.equal(read_v, v.transpose(0, 1).to(store.dtype))


def test_a_run_of_slots_is_read_without_copying(store):
    k, _ = store.read(0, slice(8, 20))
    assert k.data_ptr() == store.k[0][:, 8:].data_ptr()
