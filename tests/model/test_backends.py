"""A prepared decoder: fast answers like the reference, exact answers alike whatever stands beside a row."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from ramify.core.errors import Incompatible
from ramify.kv.store import PagedStore
from ramify.model.backends import Fast, Plain, compile_products, prepare, spare_rows
from ramify.model.config import AttentionSpec, DecoderConfig, Rope
from ramify.model.decoder import Decoder
from ramify.model.linear import Linear
from ramify.model.paged import attend_over
from ramify.model.plan import step_batch

LLAMA = DecoderConfig(
    vocab_size=211, hidden_size=48, intermediate_size=72, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=12,
    max_positions=256, attention=(AttentionSpec(12**-0.5),) * 2,
)  # fmt: skip
SHAPES = {
    "llama": LLAMA,
    "qwen3": replace(LLAMA, qk_norm="head", qkv_bias=True),
    "olmo2": replace(LLAMA, qk_norm="width", norm_place="post"),
    "gemma2": replace(
        LLAMA, norm_place="sandwich", norm_offset=1.0, activation="gelu_tanh", logit_softcap=20.0,
        tie_embeddings=True, attention=(AttentionSpec(0.3, 10.0, 9), AttentionSpec(0.3, 10.0)),
    ),
    "phi": replace(LLAMA, rope=Rope(fraction=0.5), qkv_bias=True, out_bias=True, mlp_bias=True),
    "mixtral": replace(LLAMA, num_experts=4, experts_per_token=2),
}  # fmt: skip
LENGTHS = (30, 5, 17, 40)
PAGE = 8


@cache
def weights(name):
    torch.manual_seed(0)
    decoder = Decoder(SHAPES[name])
    return {key: torch.randn_like(x) * 0.15 + (x.dim() == 1) * 0.5 for key, x in decoder.named_parameters()}


def prepared(name, mode, dtype=torch.float32):
    decoder = Decoder(SHAPES[name])
    decoder.load_state_dict(weights(name), strict=False)
    return prepare(decoder.to(dtype), mode)


def test_row_counts_are_rounded_up_to_a_few_that_waste_little():
    sizes = {rows: rows + spare_rows(rows) for rows in range(1, 513)}
    assert all(rows <= size <= 1.5 * rows for rows, size in sizes.items())
    assert len(set(sizes.values())) < 30 and all(spare_rows(size) == 0 for size in sizes.values())


@torch.inference_mode()
def test_products_meet_every_number_of_rows_once_or_as_many_as_there_is_time_for():
    decoder, met = prepared("llama", "fast"), []
    for linear in (m for m in decoder.modules() if isinstance(m, Linear)):
        original = linear._product
        linear._product = lambda x_RI, original=original: met.append(tuple(x_RI.shape)) or original(x_RI)
    sizes = {rows + spare_rows(rows) for rows in range(1, 101)}
    assert compile_products(decoder, 100, 60.0) == len(sizes)
    widths = [48, 48, 48, 72, 48]  # inputs of qkv, out, gate and up, down, head: layers are alike
    assert sorted(met) == sorted((rows, width) for rows in sizes for width in widths)
    assert compile_products(decoder, 100, -1.0) == 0


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_of_nothing_change_no_row(dtype):
    generator = torch.Generator().manual_seed(0)
    weight_OI, x_RI = (torch.randn(size, generator=generator).to(dtype) for size in ((40, 24), (33, 24)))
    out_RO = Fast().prepare(weight_OI, None)(x_RI)
    torch.testing.assert_close(out_RO, Plain().prepare(weight_OI, None)(x_RI))
    assert out_RO.shape == (33, 40) and out_RO.is_contiguous()


TEXTS = [torch.randint(0, 211, (n,), generator=torch.Generator().manual_seed(n)).tolist() for n in LENGTHS]


@torch.inference_mode()
def run(decoder, mode, steps):
    """Logits by (text, position); `steps` are lists of (text, rows)."""
    config, found = decoder.config, {}
    store = PagedStore(
        num_layers=config.num_layers, num_kv_heads=config.num_kv_heads, head_dim=config.head_dim,
        num_pages=40, page_size=PAGE, dtype=decoder.embedding.dtype,
    )  # fmt: skip
    tables = [list(range(t, 40, len(TEXTS))) for t in range(len(TEXTS))]
    at = [0] * len(TEXTS)
    for step in steps:
        rows = [(TEXTS[t][at[t] : at[t] + n], at[t], tables[t]) for t, n in step]
        batch = step_batch(rows, PAGE, share_prefixes=mode == "fast")
        hidden = decoder(batch.tokens_R, batch.positions_R, attend_over(store, batch, mode))
        keys = [(t, at[t] + i) for t, n in step for i in range(n)]
        found |= dict(zip(keys, decoder.logits(hidden), strict=True))
        for t, n in step:
            at[t] += n
    return found


WHOLE = [[(t, n) for t, n in enumerate(LENGTHS)]]
ALONE = [[(t, n)] for t, n in reversed(list(enumerate(LENGTHS)))]
CHUNKS = [[(2, 1), (0, 9)], [(0, 1), (2, 16), (3, 20)], [(1, 2), (3, 1)], [(3, 19), (1, 3), (0, 20)]]
ONE_BY_ONE = [[(t, 1) for t, n in enumerate(LENGTHS) if i < n] for i in range(max(LENGTHS))]
SINGLE = [[(1, 3)], [(2, 10)], *([(t, 1)] for t in (2, 1, 2, 1, 0, 3, 2))]  # rows that are alone in their step


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("mode", ["fast", "exact"])
@pytest.mark.parametrize("steps", [WHOLE, CHUNKS, SINGLE], ids=["whole", "chunks", "single"])
def test_answers_like_the_reference(name, mode, steps):
    want, got = run(prepared(name, "reference"), "reference", WHOLE), run(prepared(name, mode), mode, steps)
    assert got.keys() <= want.keys()
    for key in got:
        torch.testing.assert_close(got[key], want[key], atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("name", ["llama", "gemma2"])
@pytest.mark.parametrize("steps", [CHUNKS, SINGLE], ids=["chunks", "single"])
def test_bf16_is_as_near_to_the_truth_as_the_reference_is(name, steps):
    truth, errors = run(prepared(name, "reference"), "reference", steps), {}
    for mode in ("reference", "fast"):
        got = run(prepared(name, mode, torch.bfloat16), mode, steps)
        errors[mode] = sum((got[key] - truth[key]).square().mean().item() for key in truth)
    assert errors["fast"] < 1.3 * errors["reference"]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("steps", [ALONE, CHUNKS, ONE_BY_ONE], ids=["alone", "chunks", "one by one"])
def test_exact_is_bit_identical_however_rows_are_taken(name, steps):
    decoder = prepared(name, "exact")
    want, got = run(decoder, "exact", WHOLE), run(decoder, "exact", steps)
    assert got.keys() == want.keys()
    assert all(torch.equal(got[key], want[key]) for key in want)


def test_a_decoder_can_be_prepared_again():
    decoder = prepared("llama", "fast")
    run(decoder, "fast", WHOLE)
    prepare(decoder, "reference")
    want = run(prepared("llama", "reference"), "reference", WHOLE)
    assert all(torch.equal(x, want[key]) for key, x in run(decoder, "reference", WHOLE).items())


def test_a_tap_sees_every_layer_of_a_single_row():
    seen = []
    decoder = prepared("llama", "fast")
    store = PagedStore(num_layers=2, num_kv_heads=2, head_dim=12, num_pages=1, page_size=PAGE)
    batch = step_batch([((5,), 0, [0])], PAGE, share_prefixes=True)
    attend = attend_over(store, batch, "fast")
    with torch.inference_mode():
        decoder(batch.tokens_R, batch.positions_R, attend, lambda layer, h_RD: seen.append((layer, h_RD.shape)))
    assert seen == [(0, (1, 48)), (1, (1, 48))]


def test_exact_refuses_bf16():
    with pytest.raises(Incompatible, match=r"exact mode with torch\.bfloat16 weights"):
        prepared("llama", "exact", torch.bfloat16)
