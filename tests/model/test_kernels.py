"""Kernels against plain PyTorch in fp64, and row against row."""

import numpy as np
import pytest
import torch

from ramify.kv.store import PagedStore
from ramify.model.config import Rope
from ramify.model.fused import MANY, FusedRowwise, append, as_numpy, flat
from ramify.model.kernels import elementary
from ramify.model.kernels import rows as row_kernels
from ramify.model.kernels.decode import decode_attention
from ramify.model.kernels.product import product, vector
from ramify.model.rope import RotaryTable
from ramify.model.rowwise import TorchRowwise

DTYPES = [torch.float32, torch.bfloat16]
FUSED, PLAIN = FusedRowwise(exact=False), TorchRowwise()


def close(got, want_fp64):
    """To half a unit in the last place of bf16, or 1e-5 in fp32."""
    assert got.dtype in DTYPES
    tolerance = 1e-5 if got.dtype == torch.float32 else 2**-8
    torch.testing.assert_close(got.double(), want_fp64, atol=1e-5, rtol=tolerance)


def test_exp_and_tanh():
    x = np.concatenate([np.linspace(-87, 88, 20_001), np.linspace(-1, 1, 20_001)]).astype(np.float32)
    exp = np.array([elementary.exp(v) for v in x])
    tanh = np.array([elementary.tanh(v) for v in x])
    np.testing.assert_allclose(exp, np.exp(x.astype(np.float64)), rtol=1e-5)
    np.testing.assert_allclose(tanh, np.tanh(x.astype(np.float64)), atol=1e-6)
    assert elementary.exp(np.float32(-1e30)) < 1e-37


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("rows", [1, 3, MANY + 5])
def test_norm(rows, offset, dtype):
    x, weight = torch.randn(rows, 2, 77).to(dtype), torch.randn(77).to(dtype)
    wide = x.double()
    want = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6) * (weight.double() + offset)
    close(FUSED.norm(x, weight, offset, 1e-6), want)
    close(FUSED.norm(x.transpose(0, 1), weight, offset, 1e-6), want.transpose(0, 1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["silu", "gelu", "gelu_tanh"])
@pytest.mark.parametrize("rows", [1, 3, MANY + 5])
def test_gate(rows, activation, dtype):
    x = (torch.randn(rows, 2 * 77) * 4).to(dtype)
    x[0, 0], x[0, 1] = 300, -300
    close(FUSED.gate(x, activation), PLAIN.gate(x.double(), activation))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fraction", [1.0, 0.5])
@pytest.mark.parametrize("rows", [1, 3, MANY + 5])
def test_rotation_of_heads_that_lie_apart(rows, fraction, dtype):
    table = RotaryTable(Rope(fraction=fraction), 24)
    positions = torch.randint(0, 5000, (rows,))
    cos, sin = FUSED.angles(table, positions)
    want_cos, want_sin = table(positions)
    torch.testing.assert_close(cos, want_cos, atol=1e-6, rtol=0)
    torch.testing.assert_close(sin, want_sin, atol=1e-6, rtol=0)
    x = torch.randn(rows, 5, 24).to(dtype)[:, 1:4]
    close(FUSED.rotate(x, cos, sin), PLAIN.rotate(x.double(), cos.double(), sin.double()))


def test_exact_mode_has_one_kernel_for_any_number_of_rows(monkeypatch):
    for name in ("norm_many", "gate_many", "rotate_many"):
        monkeypatch.setattr(row_kernels, name, None)
    exact, table = FusedRowwise(exact=True), RotaryTable(Rope(), 24)
    x, weight = torch.randn(MANY + 5, 2, 24), torch.randn(24)
    cos, sin = exact.angles(table, torch.arange(MANY + 5))
    for take in (
        lambda r: exact.norm(x[r], weight, 0.0, 1e-6),
        lambda r: exact.gate(x[r].flatten(1), "silu"),
        lambda r: exact.rotate(x[r], cos[r], sin[r]),
    ):
        alone = [take(slice(i, i + 1)) for i in range(MANY + 5)]
        assert torch.equal(take(slice(None)), torch.cat(alone))


GAPS = range(0, 320, 4)  # bytes between two arrays: where they are few, a compiler's guard takes them for overlapping


def beside(gap, *arrays):
    """The arrays one after another in one piece of memory, so many bytes apart."""
    memory, views, begin = np.zeros(sum(a.nbytes + gap for a in arrays) + 64, np.uint8), [], 0
    begin = -memory.ctypes.data % 64
    for array in arrays:
        view = memory[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
        view[:] = array
        views.append(view)
        begin += array.nbytes + gap
    return views


@pytest.mark.parametrize("order", ["written first", "written last"])
def test_bits_do_not_depend_on_where_arrays_lie(order):
    draw = np.random.default_rng(0)
    x, weight, out = draw.standard_normal((3, 48), np.float32), draw.standard_normal(48, np.float32), np.zeros_like
    cos, sin = draw.standard_normal((2, 3, 12), np.float32)
    offset, eps = np.float32(1.0), np.float32(1e-6)
    calls = [
        (lambda x, w, to: row_kernels.norm(x, w, offset, eps, to), (x, weight), out(x)),
        (lambda x, to: row_kernels.gate(x, row_kernels.SILU, to), (x,), out(x[:, :24])),
        (lambda x, to: row_kernels.gate(x, row_kernels.GELU_TANH, to), (x,), out(x[:, :24])),
        (lambda x, c, s, to: row_kernels.rotate(x, 48, c, s, to), (x.reshape(-1), cos, sin), out(x).reshape(3, 2, 24)),
    ]
    for call, inputs, written in calls:
        found = set()
        for gap in GAPS:
            if order == "written last":
                *near, to = beside(gap, *inputs, written)
            else:
                to, *near = beside(gap, written, *inputs)
            call(*near, to)
            found.add(to.tobytes())
        assert len(found) == 1


@pytest.mark.parametrize("keys", [1, 5, 40])
def test_attention_has_the_same_bits_wherever_arrays_lie(keys):
    draw, page = np.random.default_rng(0), 8
    q, k, v = (draw.standard_normal(shape, np.float32) for shape in ((1, 4, 24), (2, 48, 24), (2, 48, 24)))
    one, none, pages = np.zeros(1, np.int64), np.empty(0, np.int64), np.arange(6)
    tails = np.arange(keys), np.arange(keys - 3, keys)  # of a chain, and of a token tree with these very slots
    found = set()
    for gap in GAPS:
        for tail in tails[: 2 if keys > 3 else 1]:
            near_q, near_k, near_v, to, lse = beside(gap, q, k, v, np.zeros_like(q), np.full((1, 4), -np.inf, "f4"))
            ends = np.array([0, len(tail)]) if len(tail) == 3 else none
            decode_attention(
                near_q, near_k, near_v, one, one, one + keys - 1, one, one, pages, ends, tail, page,
                np.float32(0.2), np.float32(0.0), 0, to, lse,
            )  # fmt: skip
            found.add((to.tobytes(), lse.tobytes()))
    assert len(found) == 1


def judged(q_Hd, k_KNd, v_KNd, slots, scale, cap, carried):
    """What one row gets in fp64: the mean over `slots`, together with (mean, log mass) that it carries."""
    group, lists = len(q_Hd) // len(k_KNd), []
    for head, q_d in enumerate(q_Hd.astype(np.float64)):
        score = k_KNd[head // group, slots].astype(np.float64) @ q_d * scale
        score = np.append(cap * np.tanh(score / cap) if cap else score, carried[1])
        weight = np.exp(score - score.max())
        values = np.vstack([v_KNd[head // group, slots], carried[0][head]])
        lists.append((weight @ values / weight.sum(), score.max() + np.log(weight.sum())))
    return (np.array(part) for part in zip(*lists, strict=True))


@pytest.mark.parametrize("page", [1, 3, 16, 40])
@pytest.mark.parametrize(("first", "keys"), [(0, 1), (0, 32), (0, 131), (5, 64), (33, 70), (90, 90)])
@pytest.mark.parametrize(("window", "cap", "group"), [(0, 0.0, 1), (33, 0.0, 3), (0, 5.0, 2)])
def test_attention_goes_on_from_what_a_row_carries(page, first, keys, window, cap, group):
    """Over pages that lie anywhere; a row of which no key is left keeps what it had."""
    draw = np.random.default_rng(page + keys)
    count = -(-keys // page)
    q, out = draw.standard_normal((2, 1, 2 * group, 20)).astype(np.float32)
    k, v = draw.standard_normal((2, 2, (count + 3) * page, 20)).astype(np.float32)
    pages, none = draw.permutation(count + 3)[:count], np.empty(0, np.int64)
    at = np.arange(max(first, keys - window if window else 0), keys)
    slots = pages[at // page] * page + at % page
    want, mass = judged(q[0], k, v, slots, 0.3, cap, (out[0], 0.7))
    zero, lse = np.zeros(1, np.int64), np.full((1, 2 * group), 0.7, np.float32)
    decode_attention(
        q, k, v, zero, zero, zero + keys - 1, zero + first, zero, pages, none, none, page,
        np.float32(0.3), np.float32(cap), window, out, lse,
    )  # fmt: skip
    np.testing.assert_allclose(out[0], want, atol=2e-6)
    np.testing.assert_allclose(lse[0], mass, atol=2e-6)


def test_soft_cap():
    x = torch.randn(3, 77) * 100
    close(FUSED.soft_cap(x.clone(), 30.0), 30 * torch.tanh(x.double() / 30))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [3, MANY + 5])
def test_append_is_the_store_s_own(store_pair, rows, dtype):
    one, other = store_pair(dtype)
    slots = torch.randperm(80)[:rows]
    k, v = torch.randn(rows, 5, 6)[:, 1:3], torch.randn(rows, 2, 6)
    append(one, 0, slots, k, v)
    other.append(0, slots, k, v)
    assert torch.equal(one.k[0], other.k[0])
    assert torch.equal(one.v[0], other.v[0])


def test_flat_finds_rows_that_lie_apart():
    x = torch.arange(60).view(3, 5, 4)
    memory, stride = flat(x[:, 1:3])
    assert stride == 20
    assert memory[stride : stride + 8].tolist() == x[1, 1:3].flatten().tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 48), (97, 101), (3, 1)])
@pytest.mark.parametrize("biased", [False, True])
def test_vector(inputs, outputs, biased, dtype):
    x, weight, bias = (torch.randn(shape).to(dtype) for shape in ((inputs,), (outputs, inputs), (outputs,)))
    out = torch.empty(outputs, dtype=dtype)
    vector(as_numpy(x), as_numpy(weight), as_numpy(bias if biased else bias[:0]), as_numpy(out))
    want = weight.double() @ x.double() + (bias.double() if biased else 0)
    torch.testing.assert_close(out.double(), want, atol=1e-4, rtol=1e-5 if dtype == torch.float32 else 2**-8)


@pytest.mark.parametrize(("inputs", "outputs"), [(64, 48), (97, 101), (3, 1), (300, 17)])
def test_product_rows_are_bit_identical_wherever_they_stand(inputs, outputs):
    x, weight = torch.randn(37, inputs), torch.randn(outputs, inputs)

    def of(x):
        out = torch.empty(len(x), outputs)
        product(as_numpy(x), as_numpy(weight), as_numpy(out))
        return out

    whole = of(x)
    torch.testing.assert_close(whole.double(), x.double() @ weight.double().T, atol=1e-4, rtol=1e-5)
    order = torch.randperm(37)
    assert torch.equal(of(x[order]), whole[order])
    for row in range(37):
        assert torch.equal(of(x[row : row + 1])[0], whole[row])
    loud = x.clone()
    loud[1:] = torch.inf  # nor does it matter what the neighbours hold
    assert torch.equal(of(loud)[0], whole[0])


@pytest.fixture
def store_pair():
    def make(dtype):
        sizes = {"num_layers": 1, "num_kv_heads": 2, "head_dim": 6, "num_pages": 10, "page_size": 8}
        return [PagedStore(**sizes, dtype=dtype) for _ in range(2)]

    return make
