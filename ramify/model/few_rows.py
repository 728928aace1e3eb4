"""A step of a few rows: every layer in one kernel call, or in a call or two between its products.

R rows, D width, h rotated pairs
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ramify.core.types import Skip
from ramify.kv.store import PagedStore
from ramify.model.decoder import Attend, Decoder, GatedMlp, Layer, Norm, Tap
from ramify.model.fast import FastAttend
from ramify.model.fused import KINDS, MANY, as_numpy
from ramify.model.kernels.layer import LayerNumbers, LayerWeights, Place, add, attended, layer, read
from ramify.model.kernels.rows import gate
from ramify.model.linear import Linear
from ramify.model.plan import StepBatch

Numbers = NDArray[np.generic]
SMALL = 4 << 20  # bytes of a layer up to which several rows are faster here than by products laid out for them
MOST = 16  # rows of a layer in one call; with calls between products MANY, as many as stay on one thread


class FewRows:
    """`Decoder.through` for steps of a few rows; any other step takes the usual way.

    Args:
        decoder: in bf16 or fp32 on the CPU, without experts.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.decoder, self.usual = decoder, decoder.layer_by_layer
        empty = decoder.embedding.new_empty(0)
        layers = [each for each in decoder.layers if isinstance(each, Layer)]
        self.layers = [(layer_weights(each, empty), layer_numbers(decoder, each)) for each in layers]
        self.products = [_products(each) for each in layers]
        largest = max(sum(p.numel() * p.element_size() for p in each.parameters()) for each in layers)
        self.most = MOST if largest <= SMALL else 1

    def __call__(
        self, h_RD: Tensor, cos_Rh: Tensor, sin_Rh: Tensor, attend: Attend, tap: Tap | None, skip: Skip
    ) -> Tensor:
        few = h_RD.shape[0] <= MANY and tap is None and not skip and self.decoder.steer is None
        if not few or not isinstance(attend, FastAttend) or attend.parts:
            return self.usual(h_RD, cos_Rh, sin_Rh, attend, tap, skip)
        h_RD32 = h_RD.float() if h_RD.dtype != torch.float32 else h_RD.clone()
        way = self._whole if h_RD.shape[0] <= self.most else self._between
        way(h_RD32.numpy(), cos_Rh.numpy(), sin_Rh.numpy(), attend.store, _place(attend.batch))
        return h_RD32.to(h_RD.dtype)

    def _whole(self, h_RD: Numbers, cos_Rh: Numbers, sin_Rh: Numbers, store: PagedStore, at: Place) -> None:
        """A layer in one call."""
        for (weights, numbers), k_KNd, v_KNd in zip(self.layers, store.k_arrays, store.v_arrays, strict=True):
            layer(h_RD, weights, numbers, at, cos_Rh, sin_Rh, k_KNd, v_KNd)

    def _between(self, h_RD: Numbers, cos_Rh: Numbers, sin_Rh: Numbers, store: PagedStore, at: Place) -> None:
        """Products by the layer's own back end, and a call or two for all that is between them."""
        config = self.decoder.config
        widths = config.hidden_size, config.num_heads * config.head_dim, config.intermediate_size
        x_RD, mean_RX, inner_RF = (self.decoder.embedding.new_empty(len(h_RD), width) for width in widths)
        x, mean, inner = as_numpy(x_RD), as_numpy(mean_RX), as_numpy(inner_RF)
        stored = zip(store.k_arrays, store.v_arrays, strict=True)
        for (w, n), (qkv, out, gate_up, down), (k_KNd, v_KNd) in zip(self.layers, self.products, stored, strict=True):
            read(h_RD, w.attention_norm, n, x)
            attended(as_numpy(qkv(x_RD)), w.q_norm, w.k_norm, n, at, cos_Rh, sin_Rh, k_KNd, v_KNd, mean)
            add(h_RD, as_numpy(out(mean_RX)), w.attention_post, n)
            read(h_RD, w.mlp_norm, n, x)
            gate(as_numpy(gate_up(x_RD)), n.activation, inner)
            add(h_RD, as_numpy(down(inner_RF)), w.mlp_post, n)


def _products(of: Layer) -> tuple[Linear, Linear, Linear, Linear]:
    assert isinstance(of.mlp, GatedMlp)
    return of.attention.qkv, of.attention.out, of.mlp.gate_up, of.mlp.down


def _place(batch: StepBatch) -> Place:
    return Place(
        batch.few_R, batch.span_R, batch.positions_R.numpy(), batch.own_S, batch.offset_S, batch.pages_P,
        batch.tail_R, batch.tails_T, batch.page_size, batch.slots_R.numpy(),
    )  # fmt: skip


def layer_weights(of: Layer, empty: Tensor) -> LayerWeights:
    """A layer's arrays for kernels; `empty` stands for what it has not."""

    def norm(module: nn.Module) -> Numbers:
        return as_numpy(module.weight if isinstance(module, Norm) else empty)

    def bias(module: Linear) -> Numbers:
        return as_numpy(empty if module.bias is None else module.bias)

    attention, mlp, none = of.attention, of.mlp, nn.Identity()
    assert isinstance(mlp, GatedMlp)
    return LayerWeights(
        attention_norm=norm(of.attention_norm),
        qkv=as_numpy(attention.qkv.weight),
        qkv_bias=bias(attention.qkv),
        q_norm=norm(none if attention.qk_norm == "none" else attention.q_norm),
        k_norm=norm(none if attention.qk_norm == "none" else attention.k_norm),
        out=as_numpy(attention.out.weight),
        out_bias=bias(attention.out),
        attention_post=norm(of.attention_post),
        mlp_norm=norm(of.mlp_norm),
        gate_up=as_numpy(mlp.gate_up.weight),
        gate_up_bias=bias(mlp.gate_up),
        down=as_numpy(mlp.down.weight),
        down_bias=bias(mlp.down),
        mlp_post=norm(of.mlp_post),
    )


def layer_numbers(decoder: Decoder, of: Layer) -> LayerNumbers:
    """A layer's numbers for kernels."""
    config, spec = decoder.config, of.attention.spec
    return LayerNumbers(
        config.num_heads, np.float32(config.norm_eps), np.float32(config.norm_offset), KINDS[config.activation],
        np.float32(spec.scale), np.float32(spec.softcap or 0.0), spec.window or 0,
    )  # fmt: skip
