"""The tensors that pages name."""

import os
from pathlib import Path

import pytest
import torch

from ramify.kv.store import PagedStore


def store() -> PagedStore:
    made = PagedStore(num_layers=2, num_kv_heads=3, head_dim=4, num_pages=5, page_size=2, dtype=torch.bfloat16)
    torch.manual_seed(0)
    for layer in range(2):
        made.append(layer, torch.arange(10), torch.randn(10, 3, 4), torch.randn(10, 3, 4))
    return made


def page(made: PagedStore, number: int) -> torch.Tensor:
    return torch.stack([torch.stack(made.read(layer, slice(2 * number, 2 * number + 2))) for layer in range(2)])


def test_a_fresh_store_is_zero() -> None:
    made = PagedStore(num_layers=1, num_kv_heads=1, head_dim=2, num_pages=2, page_size=2)
    assert made.bytes_per_page == 2 * 1 * 1 * 2 * 2 * 4
    assert all(not x.any() for x in made.read(0, slice(0, 4)))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say what a process holds")
def test_memory_is_taken_when_it_is_written() -> None:
    """A pool is often larger than what is used: loading a model writes none of it."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    made = PagedStore(num_layers=4, num_kv_heads=2, head_dim=64, num_pages=16384, page_size=16)
    made.append(0, torch.arange(10), torch.randn(10, 2, 64), torch.randn(10, 2, 64))
    assert made.bytes_per_page * made.num_pages == 2**30
    assert resident() - before < 2**25


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_begin_at_cache_lines(dtype: torch.dtype) -> None:
    made = [
        PagedStore(num_layers=1, num_kv_heads=1, head_dim=64, num_pages=9, page_size=n, dtype=dtype) for n in (1, 5)
    ]
    assert all(x.data_ptr() % 64 == 0 for store in made for x in (*store.k, *store.v))


def test_rows_are_read_where_they_were_written() -> None:
    made = store()
    k_RKd, v_RKd = torch.randn(3, 3, 4), torch.randn(3, 3, 4)
    made.append(1, torch.tensor([9, 0, 4]), k_RKd, v_RKd)
    for got_KSd, want_RKd in zip(made.read(1, torch.tensor([9, 0, 4])), (k_RKd, v_RKd), strict=True):
        assert torch.equal(got_KSd.transpose(0, 1), want_RKd.bfloat16())


def test_part_of_a_page_is_copied() -> None:
    made = store()
    source, target = page(made, 1).clone(), page(made, 3).clone()
    made.copy_page(1, 3, 1)
    assert torch.equal(page(made, 3)[..., :1, :], source[..., :1, :])
    assert torch.equal(page(made, 3)[..., 1:, :], target[..., 1:, :])


def test_many_pages_are_copied_at_once() -> None:
    made = store()
    before = [page(made, i).clone() for i in range(5)]
    made.copy_pages([0, 0, 1], [3, 2, 4])
    for i, want in enumerate((0, 1, 0, 0, 1)):
        assert torch.equal(page(made, i), before[want])


def test_bytes_of_a_page() -> None:
    assert store().bytes_per_page == 2 * 2 * 3 * 2 * 4 * 2
