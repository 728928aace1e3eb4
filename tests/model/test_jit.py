"""Compiled kernels are kept, found again, and given up when any kernel's source changes."""

import importlib.util
import sys

import numba
import torch

from ramify.model.kernels import jit
from ramify.model.kernels.elementary import exp

SOURCE = """
from ramify.model.kernels.jit import kernel

@kernel()
def double(x):
    return x + x
"""


def test_every_kernel_has_the_stamp_of_all_sources():
    assert exp._cache._cache_file._source_stamp == jit.STAMP


def test_a_change_anywhere_compiles_again(tmp_path, monkeypatch):
    path = tmp_path / "doubling.py"
    path.write_text(SOURCE)

    def hits(stamp):
        monkeypatch.setattr(jit, "STAMP", stamp)
        spec = importlib.util.spec_from_file_location("doubling", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "doubling", module)
        spec.loader.exec_module(module)
        assert module.double(4) == 8
        return sum(module.double.stats.cache_hits.values())

    assert [hits(stamp) for stamp in (b"one", b"one", b"two")] == [0, 1, 0]


def test_a_place_that_cannot_be_written_is_no_obstacle(monkeypatch):
    def refuse(function):
        raise RuntimeError("cannot cache function: no locator available")

    njit = numba.njit
    monkeypatch.setattr(numba, "njit", lambda cache=False, **options: refuse if cache else njit(**options))

    @jit.kernel()
    def double(x):
        return x + x

    assert double(4) == 8


def test_kernels_follow_torch(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    before = numba.get_num_threads()
    jit.follow_torch()
    assert numba.get_num_threads() == 1
    numba.set_num_threads(before)
