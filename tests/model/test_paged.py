"""Attention over pages: every path against the reference, and the exact one against itself, bit for bit."""

import pytest
import torch

from ramify.core.errors import Incompatible
from ramify.kv.store import PagedStore
from ramify.model import fast, sharing
from ramify.model import gathered as gathered_path
from ramify.model.config import AttentionSpec
from ramify.model.paged import attend_over
from ramify.model.plan import step_batch

PAGE = 8
SHARED = 40  # tokens that most branches have in common
BRANCHES = [(47, 1), (70, 3), (40, 1), (45, 20), (0, 11), (3, 1), (53, 1)]  # (start, rows)
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
SHAPES = [(2, 1, 64), (2, 4, 32), (1, 3, 80), (3, 2, 20)]  # K, G, d
SPECS = [(None, None), (13, None), (None, 5.0), (60, 5.0), (500, None)]  # window, softcap


@pytest.fixture(autouse=True)
def eager_sharing(monkeypatch):
    monkeypatch.setattr(sharing, "LEAST_TOKENS", 16)
    monkeypatch.setattr(sharing, "PRODUCTS", 1)
    monkeypatch.setattr(sharing, "LEAST_SAVED", 32)


class World:
    """A store full of numbers, and branches in it whose rows can be taken in any grouping."""

    def __init__(self, shape=(2, 2, 32), spec=(None, None), dtype=torch.float32, page=PAGE):
        torch.manual_seed(0)
        self.kv_heads, self.group, self.width = shape
        self.page, self.dtype = page, dtype
        self.spec = AttentionSpec(self.width**-0.5 * 2, spec[1], spec[0])
        self.store = PagedStore(
            num_layers=1, num_kv_heads=shape[0], head_dim=self.width, num_pages=120, page_size=page, dtype=dtype
        )
        for x in (self.store.k[0], self.store.v[0]):
            x.normal_()
        fresh = iter(torch.randperm(100).add(20).tolist())
        trunk = list(range(4, 4 + SHARED // page))
        self.tables = []
        for start, rows in BRANCHES:
            pages = list(trunk) if start >= SHARED else []
            self.tables.append(pages + [next(fresh) for _ in range(-(-(start + rows) // page) - len(pages))])
        total = sum(rows for _, rows in BRANCHES)
        heads = (self.kv_heads * self.group, self.kv_heads, self.kv_heads)
        self.qkv = [torch.randn(total, h, self.width).to(dtype) for h in heads]
        self.rows = {}  # (branch, position) -> row of qkv
        for branch, (start, rows) in enumerate(BRANCHES):
            for position in range(start, start + rows):
                self.rows[branch, position] = len(self.rows)

    def attend(self, mode, pieces=None, share=True):
        """Take (branch, start, rows) pieces in one step; answers by (branch, position)."""
        pieces = pieces or [(b, start, rows) for b, (start, rows) in enumerate(BRANCHES)]
        batch = step_batch([((1,) * n, s, self.tables[b]) for b, s, n in pieces], self.page, share_prefixes=share)
        keys = [(b, s + i) for b, s, n in pieces for i in range(n)]
        q, k, v = (x[[self.rows[key] for key in keys]] for x in self.qkv)
        out = attend_over(self.store, batch, mode)(0, self.spec, q, k, v)
        return dict(zip(keys, out, strict=True)), batch


def close(got, want, dtype):
    assert got.keys() == want.keys()
    for key in want:
        torch.testing.assert_close(got[key], want[key], atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", SPECS)
def test_fast_is_the_reference_shared_or_not(shape, spec, dtype):
    world = World(shape, spec, dtype)
    want, _ = world.attend("reference")
    alone, batch = world.attend("fast", share=False)
    assert not batch.shared
    close(alone, want, dtype)
    together, batch = world.attend("fast")
    assert batch.shared
    close(together, want, dtype)


@pytest.mark.parametrize("spec", SPECS)
def test_blocks_do_not_matter(spec, monkeypatch):
    world = World(spec=spec)
    want, _ = world.attend("reference")
    monkeypatch.setattr(fast, "BLOCK", 3)
    close(world.attend("fast")[0], want, torch.float32)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("page", [1, 8, 20])
@pytest.mark.parametrize("gathered", [1 << 18, 100])
def test_without_kernels_the_plan_is_the_same(spec, page, gathered, monkeypatch):
    monkeypatch.setattr(gathered_path, "GATHERED", gathered)
    world = World(spec=spec, page=page)
    want, _ = world.attend("reference")
    world.store.has_kernels = False  # as on a GPU
    close(world.attend("fast")[0], want, torch.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", SPECS)
def test_exact_is_the_reference(shape, spec):
    world = World(shape, spec)
    close(world.attend("exact")[0], world.attend("reference")[0], torch.float32)


@pytest.mark.parametrize("mode", ["reference", "fast", "exact"])
def test_chunks_do_not_matter(mode):
    whole, _ = World().attend(mode)
    world, chunked = World(), {}
    for size in (1, 2, 9, 20):
        done = [sum(key[0] == b for key in chunked) for b in range(len(BRANCHES))]
        left = [(b, start + done[b], min(size, rows - done[b])) for b, (start, rows) in enumerate(BRANCHES)]
        pieces = [piece for piece in left if piece[2] > 0]
        chunked |= world.attend(mode, pieces)[0]
    if mode == "exact":
        assert all(torch.equal(chunked[key], whole[key]) for key in whole)
    close(chunked, whole, torch.float32)


@pytest.mark.parametrize("spec", SPECS)
def test_exact_rows_do_not_know_their_neighbours(spec):
    together, _ = World(spec=spec).attend("exact")
    world = World(spec=spec)
    for b, (start, rows) in reversed(list(enumerate(BRANCHES))):
        alone, _ = world.attend("exact", [(b, start, rows)])
        assert all(torch.equal(alone[key], together[key]) for key in alone)


@pytest.mark.parametrize("mode", ["reference", "fast", "exact"])
def test_a_slot_nobody_wrote_is_never_read(mode):
    clean, world = World(), World()
    want, batch = clean.attend(mode)
    seen = torch.zeros(world.store.k[0].shape[1], dtype=torch.bool)
    for span in range(len(batch.spans)):
        seen[clean_slots(batch, span)] = True
    for x in (world.store.k[0], world.store.v[0]):
        x[:, ~seen] = torch.nan
    got, _ = world.attend(mode)
    assert all(torch.equal(got[key], want[key]) for key in want)


def clean_slots(batch, span):
    return batch.slots(span, 0, batch.spans[span].start + batch.spans[span].num_rows)


def test_exact_refuses_bf16():
    with pytest.raises(Incompatible, match=r"exact mode with torch\.bfloat16 pages"):
        World(dtype=torch.bfloat16).attend("exact")
