"""Rotary position embeddings: half-split layout, every scaling rule a table of frequencies.

Su et al., "RoFormer", arXiv:2104.09864; the scaling rules follow Hugging Face's parameter names.

    R rows, d head_dim, r rotated part of d

A row's angles depend on its own position only. Departure: longrope switches to the long factors per row
(at the first position past the original context) where `transformers` switches for a whole call at once;
only so do chunked prefill and decoding agree with one another.
"""

import math

import torch
from torch import Tensor

from ramify.model.config import Rope


class RotaryTable:
    """cos and sin of a row's angles: `table(positions_R) -> (cos_Rh, sin_Rh)` with h = r/2, fp32."""

    def __init__(self, rope: Rope, head_dim: int) -> None:
        self.width = int(head_dim * rope.fraction)
        base = 1.0 / rope.theta ** (torch.arange(0, self.width, 2, dtype=torch.float64) / self.width)
        self.long_from = None if rope.kind != "longrope" else int(_original(rope))
        self.magnitude = _magnitude(rope)
        self.frequencies = _scale(base, rope, "short_factor").float()
        self.long = _scale(base, rope, "long_factor").float() if rope.kind == "longrope" else None

    def __call__(self, positions_R: Tensor) -> tuple[Tensor, Tensor]:
        position_R1 = positions_R.float()[:, None]
        angles_Rh = position_R1 * self.frequencies.to(positions_R.device)
        if self.long is not None:
            long_Rh = position_R1 * self.long.to(positions_R.device)
            angles_Rh = torch.where(position_R1 >= self.long_from, long_Rh, angles_Rh)
        return angles_Rh.cos() * self.magnitude, angles_Rh.sin() * self.magnitude


def rotate(x_RHd: Tensor, cos_Rh: Tensor, sin_Rh: Tensor) -> Tensor:
    """Rotate the first 2h features of every head; the others pass."""
    half = cos_Rh.shape[-1]
    cos_R1h, sin_R1h = cos_Rh[:, None].to(x_RHd.dtype), sin_Rh[:, None].to(x_RHd.dtype)
    a, b, rest = x_RHd[..., :half], x_RHd[..., half : 2 * half], x_RHd[..., 2 * half :]
    return torch.cat((a * cos_R1h - b * sin_R1h, b * cos_R1h + a * sin_R1h, rest), dim=-1)


def _original(rope: Rope) -> float:
    return float(rope.parameters.get("original_max_position_embeddings") or rope.parameters["max_position_embeddings"])


def _magnitude(rope: Rope) -> float:
    """longrope scales q and k by sqrt(1 + ln(s)/ln(original)), s the extension factor (arXiv:2402.13753)."""
    if rope.kind != "longrope":
        return 1.0
    given = rope.parameters.get("attention_factor")
    if given is not None:
        return float(given)
    original = _original(rope)
    factor = rope.parameters.get("factor") or rope.parameters.get("max_position_embeddings", original) / original
    return 1.0 if factor <= 1.0 else math.sqrt(1 + math.log(factor) / math.log(original))


def _scale(base_h: Tensor, rope: Rope, which: str) -> Tensor:
    if rope.kind == "linear":
        return base_h / float(rope.parameters["factor"])
    if rope.kind == "longrope":
        return base_h / torch.tensor(rope.parameters[which], dtype=torch.float64)
    if rope.kind == "llama3":
        return _llama3(base_h, rope)
    return base_h


def _llama3(base_h: Tensor, rope: Rope) -> Tensor:
    """Llama 3.1: low frequencies are divided by `factor`, high ones kept, those between blended."""
    p = rope.parameters
    factor, low, high = float(p["factor"]), float(p["low_freq_factor"]), float(p["high_freq_factor"])
    turns_h = _original(rope) * base_h / (2 * math.pi)  # full turns within the original context
    blend_h = ((turns_h - low) / (high - low)).clamp(0, 1)
    return base_h * (blend_h + (1 - blend_h) / factor)
