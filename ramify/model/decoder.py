"""The decoder: one file for every architecture of `config.py`, over flat rows and without padding.

    R rows (tokens of any branches, in any order), D hidden width, H heads, K key-value heads, d head_dim
    F feed-forward width, V vocabulary, E experts

A pure function of its rows. What a row may look at is `attend`'s business, never the decoder's: the same code
trains on a dense batch, prefills a ragged one and decodes a tree.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ramify.core.strict import whole
from ramify.core.types import WHOLE, Mixture, Skip
from ramify.model.config import AttentionSpec, DecoderConfig
from ramify.model.linear import Linear
from ramify.model.rope import RotaryTable
from ramify.model.rowwise import Rowwise, TorchRowwise


class Attend(Protocol):
    """Stores the rows' new keys and values, then answers every row's query. `out` has the shape of `q`."""

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor: ...


Tap = Callable[[int, Tensor], None]  # (layer, residual stream after it as [R, D])

Steer = Callable[[int, Tensor], Tensor]  # (layer, residual stream after it) -> what the next layer reads

Through = Callable[[Tensor, Tensor, Tensor, Attend, Tap | None, Skip], Tensor]  # see `Decoder.layer_by_layer`

TORCH: Rowwise = TorchRowwise()


class Norm(nn.Module):
    """RMSNorm in fp32, result in the input's type; `offset` is added to the weight (Gemma stores weight - 1)."""

    def __init__(self, width: int, eps: float, offset: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), 1.0 - offset))
        self.eps, self.offset, self.rowwise = eps, offset, TORCH

    def forward(self, x: Tensor) -> Tensor:
        return self.rowwise.norm(x, self.weight, self.offset, self.eps)


class Attention(nn.Module):
    """Projections, query/key norms and rotation around `attend`."""

    def __init__(self, config: DecoderConfig, spec: AttentionSpec) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.num_heads, config.num_kv_heads, config.head_dim
        self.spec, self.qk_norm, self.rowwise = spec, config.qk_norm, TORCH
        widths = (self.heads * self.head_dim, self.kv_heads * self.head_dim)
        self.qkv = Linear(config.hidden_size, widths[0] + 2 * widths[1], config.qkv_bias)
        self.out = Linear(widths[0], config.hidden_size, config.out_bias)
        if config.qk_norm != "none":
            q_width, k_width = widths if config.qk_norm == "width" else (self.head_dim, self.head_dim)
            self.q_norm = Norm(q_width, config.norm_eps, config.norm_offset)
            self.k_norm = Norm(k_width, config.norm_eps, config.norm_offset)

    def forward(self, layer: int, x_RD: Tensor, cos_Rh: Tensor, sin_Rh: Tensor, attend: Attend) -> Tensor:
        q_width, kv_width = self.heads * self.head_dim, self.kv_heads * self.head_dim
        q, k, v = self.qkv(x_RD).split((q_width, kv_width, kv_width), dim=-1)
        if self.qk_norm == "width":
            q, k = self.q_norm(q), self.k_norm(k)
        q_RHd, k_RKd = q.unflatten(-1, (self.heads, -1)), k.unflatten(-1, (self.kv_heads, -1))
        if self.qk_norm == "head":
            q_RHd, k_RKd = self.q_norm(q_RHd), self.k_norm(k_RKd)
        q_RHd, k_RKd = (self.rowwise.rotate(x, cos_Rh, sin_Rh) for x in (q_RHd, k_RKd))
        out_RHd = attend(layer, self.spec, q_RHd, k_RKd, v.unflatten(-1, (self.kv_heads, -1)))
        return self.out(out_RHd.flatten(1))  # type: ignore[no-any-return]


class GatedMlp(nn.Module):
    """down(act(gate x) * up x), gate and up in one product."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.activation, self.rowwise = config.activation, TORCH
        self.gate_up = Linear(config.hidden_size, 2 * config.intermediate_size, config.mlp_bias)
        self.down = Linear(config.intermediate_size, config.hidden_size, config.mlp_bias)

    def forward(self, x_RD: Tensor) -> Tensor:
        return self.down(self.rowwise.gate(self.gate_up(x_RD), self.activation))  # type: ignore[no-any-return]


class Experts(nn.Module):
    """Mixtral's sparse layer (arXiv:2401.04088), dropless: every row reaches its own experts, whoever is beside it."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.top = config.experts_per_token
        self.router = Linear(config.hidden_size, config.num_experts)
        self.experts = nn.ModuleList(GatedMlp(config) for _ in range(config.num_experts))

    def forward(self, x_RD: Tensor) -> Tensor:
        mass_RE = self.router(x_RD).float().softmax(-1)
        mass_Rk, expert_Rk = mass_RE.topk(self.top, dim=-1)
        weight_Rk = (mass_Rk / mass_Rk.sum(-1, keepdim=True)).to(x_RD.dtype)
        y_RkD = x_RD.new_empty(*expert_Rk.shape, x_RD.shape[-1])
        for e, expert in enumerate(self.experts):
            rows, slots = torch.where(expert_Rk == e)
            if len(rows):
                y_RkD[rows, slots] = expert(x_RD[rows])
        weighted_RkD: Tensor = y_RkD * weight_Rk[..., None]
        return weighted_RkD.sum(1)


class Layer(nn.Module):
    """One block; `norm_place` decides which of the four norms exist."""

    def __init__(self, config: DecoderConfig, spec: AttentionSpec) -> None:
        super().__init__()

        def norm(wanted: bool) -> nn.Module:
            return Norm(config.hidden_size, config.norm_eps, config.norm_offset) if wanted else nn.Identity()

        before, after = config.norm_place != "post", config.norm_place != "pre"
        self.attention_norm, self.mlp_norm = norm(before), norm(before)
        self.attention_post, self.mlp_post = norm(after), norm(after)
        self.attention = Attention(config, spec)
        self.mlp = Experts(config) if config.num_experts else GatedMlp(config)

    def forward(
        self, layer: int, h_RD: Tensor, cos_Rh: Tensor, sin_Rh: Tensor, attend: Attend, skip: Skip = WHOLE
    ) -> Tensor:
        if 2 * layer not in skip:
            mixed_RD = self.attention(layer, self.attention_norm(h_RD), cos_Rh, sin_Rh, attend)
            h_RD = h_RD + self.attention_post(mixed_RD)
        if 2 * layer + 1 not in skip:
            h_RD = h_RD + self.mlp_post(self.mlp(self.mlp_norm(h_RD)))
        return h_RD


class Decoder(nn.Module):
    """Embedding, layers, final norm; `logits` is separate because few rows need it.

    Weights are uninitialised: load them (`checkpoint.load`) or initialise them (`ramify.train`).
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocab_size, config.hidden_size))
        self.layers = nn.ModuleList(Layer(config, spec) for spec in config.attention)
        self.norm = Norm(config.hidden_size, config.norm_eps, config.norm_offset)
        self.head = Linear(config.hidden_size, config.vocab_size)
        if config.tie_embeddings:
            self.head.weight = self.embedding
        self.rope, self.rowwise = RotaryTable(config.rope, config.head_dim), TORCH
        self.through: Through | None = None  # another way through the layers, for inference
        self.steer: Steer | None = None  # see `steering.py`; other ways through the layers give way to it

    def forward(
        self,
        tokens_R: Tensor,
        positions_R: Tensor,
        attend: Attend,
        tap: Tap | None = None,
        skip: Skip = WHOLE,
        mixtures: Sequence[tuple[int, Mixture]] = (),
    ) -> Tensor:
        """Hidden rows after the final norm, [R, D]; `tap` sees the residual stream after every layer.

        `mixtures` are (row, what it reads instead of its token): the weighted sum of the tokens' embeddings.
        """
        h_RD = F.embedding(tokens_R, self.embedding)
        for row, mixture in mixtures:
            h_RD[row] = self._superposed(mixture)
        if self.config.embedding_scale != 1.0:  # rounded to the weights' type first, as Gemma was trained
            h_RD = h_RD * torch.tensor(self.config.embedding_scale, dtype=h_RD.dtype, device=h_RD.device)
        cos_Rh, sin_Rh = self.rowwise.angles(self.rope, positions_R)
        through = self.through or self.layer_by_layer
        return self.norm(through(h_RD, cos_Rh, sin_Rh, attend, tap, skip))  # type: ignore[no-any-return]

    def _superposed(self, mixture: Mixture) -> Tensor:
        """One row, summed in fp32 in the mixture's order, whatever rows are beside it."""
        ids, weights = zip(*mixture, strict=True)
        weight_k1 = torch.tensor(weights, dtype=torch.float32, device=self.embedding.device)[:, None]
        return (weight_k1 * self.embedding[list(ids)].float()).sum(0).to(self.embedding.dtype)

    def layer_by_layer(
        self, h_RD: Tensor, cos_Rh: Tensor, sin_Rh: Tensor, attend: Attend, tap: Tap | None, skip: Skip
    ) -> Tensor:
        """The residual stream after the last layer."""
        for i, layer in enumerate(self.layers):
            h_RD = layer(i, h_RD, cos_Rh, sin_Rh, attend, skip)
            if self.steer is not None:
                h_RD = self.steer(i, h_RD)
            if tap is not None:
                tap(i, h_RD)
        return h_RD

    def logits(self, hidden_RD: Tensor) -> Tensor:
        """Next-token logits of hidden rows, fp32 [R, V]."""
        logits_RV = self.head(hidden_RD).float()
        cap = self.config.logit_softcap
        return logits_RV if cap is None else self.rowwise.soft_cap(logits_RV, cap)

    def keep_layers(self, count: int) -> None:
        """Become the decoder of the first `count` layers, in place: an exit of a nested one.

        Raises:
            BadInput: it has not that many.
        """
        whole("layers", count, 1, self.config.num_layers)
        del self.layers[count:]
        self.config = replace(self.config, num_layers=count, attention=self.config.attention[:count])

    @property
    def num_parameters(self) -> int:
        """Weights in the model, tied ones once."""
        return sum(p.numel() for p in self.parameters())
