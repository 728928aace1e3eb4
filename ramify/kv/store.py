"""The tensors that pages name: keys and values of one model, nothing about who holds what.

    K key-value heads, N slots (num_pages * page_size), S of them, d head_dim, R rows

A slot is page * page_size + offset. Heads come first, so that consecutive pages are one contiguous view per head.
"""

import mmap
import sys
from collections.abc import Sequence
from contextlib import suppress
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Slots = slice | Tensor  # a run of slots, or an int64 list of them


class PagedStore:
    """Keys and values of every layer, `k[layer]` and `v[layer]` of shape [K, N, d].

    Args:
        preallocate: take a processor's memory now. Otherwise it is taken when a slot is first written: a pool is often
            larger than what is used of it.

    Raises:
        MemoryError: there is not so much.
    """

    def __init__(
        self,
        *,
        num_layers: int,
        num_kv_heads: int,
        head_dim: int,
        num_pages: int,
        page_size: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        preallocate: bool = False,
    ) -> None:
        shape = (num_layers, num_kv_heads, num_pages * page_size, head_dim)
        self.num_layers, self.num_kv_heads, self.head_dim = num_layers, num_kv_heads, head_dim
        self.num_pages, self.page_size = num_pages, page_size
        self.dtype, self.device = dtype, torch.device(device)
        # zeros: a slot nobody wrote may be multiplied by a zero weight, and NaN * 0 is NaN
        k_LKNd, v_LKNd = (_zeros(shape, dtype, self.device, preallocate) for _ in range(2))
        self.k: list[Tensor] = list(k_LKNd)
        self.v: list[Tensor] = list(v_LKNd)

        self.has_kernels = self.device.type == "cpu" and dtype in (torch.float32, torch.bfloat16)
        self.k_array = _array(k_LKNd) if self.has_kernels else np.empty(0)  # the same memory, bf16 as uint16
        self.v_array = _array(v_LKNd) if self.has_kernels else np.empty(0)
        self.k_arrays, self.v_arrays = list(self.k_array), list(self.v_array)

    @property
    def bytes_per_page(self) -> int:
        """Keys and values of one page in all layers."""
        return 2 * self.num_layers * self.num_kv_heads * self.page_size * self.head_dim * self.dtype.itemsize

    def copy_page(self, src: int, dst: int, num_tokens: int) -> None:
        """Copy the first `num_tokens` slots of page `src` to page `dst`, in every layer (copy-on-write)."""
        a, b = src * self.page_size, dst * self.page_size
        for x_KNd in (*self.k, *self.v):
            x_KNd[:, b : b + num_tokens] = x_KNd[:, a : a + num_tokens]

    def copy_pages(self, src: Sequence[int], dst: Sequence[int]) -> None:
        """Copy whole pages at once, `src[i]` to `dst[i]`; no page may be both. One call for a wide fork."""
        src_P, dst_P = (torch.tensor(pages, device=self.device) for pages in (src, dst))
        for x_KNd in (*self.k, *self.v):
            x_KPsd = x_KNd.view(self.num_kv_heads, self.num_pages, self.page_size, self.head_dim)
            x_KPsd.index_copy_(1, dst_P, x_KPsd.index_select(1, src_P))

    def move(self, src: Sequence[int], dst: Sequence[int]) -> None:
        """Copy slots at once, `src[i]` to `dst[i]`, in every layer: all are read before any is written."""
        src_T, dst_T = (torch.tensor(slots, device=self.device) for slots in (src, dst))
        for x_KNd in (*self.k, *self.v):
            x_KNd.index_copy_(1, dst_T, x_KNd.index_select(1, src_T))

    def append(self, layer: int, slots_R: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> None:
        """Write the rows' keys and values into their slots, rounded to the store's type."""
        self.k[layer].index_copy_(1, slots_R, k_RKd.transpose(0, 1).to(self.dtype))
        self.v[layer].index_copy_(1, slots_R, v_RKd.transpose(0, 1).to(self.dtype))

    def read(self, layer: int, slots: Slots) -> tuple[Tensor, Tensor]:
        """Keys and values [K, S, d] of some slots: a view of a run, a copy of a list (of any shape in place of S)."""
        return _some(self.k[layer], slots), _some(self.v[layer], slots)


def _some(x_KNd: Tensor, slots: Slots) -> Tensor:
    if isinstance(slots, slice):
        return x_KNd[:, slots]
    some = x_KNd.index_select(1, slots.reshape(-1))  # x_KNd[:, slots] takes three times as long
    return some.view(len(x_KNd), *slots.shape, x_KNd.shape[-1])


def _zeros(shape: Sequence[int], dtype: torch.dtype, device: torch.device, preallocate: bool) -> Tensor:
    """Zeros, of a processor's memory such as the system gives to whom it has not promised any yet.

    Raises:
        MemoryError: there is not so much.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if sys.platform != "win32" else {}
    try:
        memory = mmap.mmap(-1, prod(shape) * dtype.itemsize, **private)
    except OSError as error:
        raise MemoryError(str(error)) from error
    if sys.platform == "linux":
        with suppress(OSError):  # huge pages come 2 MiB at a time, one for each head and layer: a step would stall
            memory.madvise(mmap.MADV_HUGEPAGE if preallocate else mmap.MADV_NOHUGEPAGE)
    zeros = torch.frombuffer(memory, dtype=dtype).view(*shape)
    return zeros.zero_() if preallocate else zeros


def _array(x: Tensor) -> NDArray[np.generic]:
    return x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()
