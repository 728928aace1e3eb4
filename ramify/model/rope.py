"""Rotary position embeddings: half-split layout, every scaling rule a table of frequencies.

Su et al., "RoFormer", arXiv:2104.09864; the scaling rules follow Hugging Face's parameter names.

    R rows, d head_dim, r rotated part of d, h = r/2 angles of a row

A row's angles depend on its own position only. Departure: where `transformers` changes all angles of a text as it
outgrows the original context (longrope, dynamic), this is settled when a checkpoint is read
(`DecoderConfig.from_hf`), because keys already stored cannot turn. The arithmetic is fp32 in transformers' order,
so that tables are bit-identical: at position 10,000 another rounding is an angle off by 1e-3.
"""

import math

import torch
from torch import Tensor

from ramify.model.config import Rope


class RotaryTable:
    """cos and sin of a row's angles: `table(positions_R) -> (cos_Rh, sin_Rh)`, fp32."""

    def __init__(self, rope: Rope, head_dim: int) -> None:
        self.width = int(head_dim * rope.fraction)
        self.frequencies = _frequencies(rope, self.width)
        self.magnitude = _magnitude(rope)

    def __call__(self, positions_R: Tensor) -> tuple[Tensor, Tensor]:
        angles_Rh = positions_R.float()[:, None] * self.frequencies.to(positions_R.device)
        return angles_Rh.cos() * self.magnitude, angles_Rh.sin() * self.magnitude


def rotate(x_RHd: Tensor, cos_Rh: Tensor, sin_Rh: Tensor) -> Tensor:
    """Rotate the first 2h features of every head; the others pass."""
    half = cos_Rh.shape[-1]
    cos_R1h, sin_R1h = cos_Rh[:, None].to(x_RHd.dtype), sin_Rh[:, None].to(x_RHd.dtype)
    a, b, rest = x_RHd[..., :half], x_RHd[..., half : 2 * half], x_RHd[..., 2 * half :]
    return torch.cat((a * cos_R1h - b * sin_R1h, b * cos_R1h + a * sin_R1h, rest), dim=-1)


def _frequencies(rope: Rope, width: int) -> Tensor:
    wavelength_h = rope.theta ** (torch.arange(0, width, 2, dtype=torch.float32) / width)
    match rope.kind:
        case "linear":
            return 1.0 / wavelength_h / float(rope.parameters["factor"])
        case "llama3":
            return _llama3(1.0 / wavelength_h, rope)
        case "yarn":
            return _yarn(wavelength_h, rope, width)
        case "longrope":
            factors = rope.parameters["long_factor" if rope.long else "short_factor"]
            return 1.0 / (torch.tensor(factors, dtype=torch.float32) * wavelength_h)
        case _:
            return 1.0 / wavelength_h


def _llama3(base_h: Tensor, rope: Rope) -> Tensor:
    """Llama 3.1: low frequencies are divided by `factor`, high ones kept, those between blended."""
    p = rope.parameters
    factor, low, high = p["factor"], p["low_freq_factor"], p["high_freq_factor"]
    wavelength_h = 2 * math.pi / base_h
    blend_h = (_original(rope) / wavelength_h - low) / (high - low)
    blended_h = (1 - blend_h) * base_h / factor + blend_h * base_h
    scaled_h = torch.where(wavelength_h > _original(rope) / low, base_h / factor, blended_h)
    return torch.where(wavelength_h < _original(rope) / high, base_h, scaled_h)


def _yarn(wavelength_h: Tensor, rope: Rope, width: int) -> Tensor:
    """YaRN (arXiv:2309.00071): features that turn more than beta_fast times in the original context keep their
    frequency, those that turn less than beta_slow times are divided by `factor`, a ramp between."""
    p = rope.parameters

    def feature(turns: float) -> float:
        return width * math.log(_original(rope) / (turns * 2 * math.pi)) / (2 * math.log(rope.theta))

    first, last = feature(p.get("beta_fast") or 32), feature(p.get("beta_slow") or 1)
    if p.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, width - 1)
    span = last - first or 0.001
    keep_h = 1 - ((torch.arange(width // 2, dtype=torch.float32) - first) / span).clamp(0, 1)
    return 1.0 / (_factor(rope) * wavelength_h) * (1 - keep_h) + 1.0 / wavelength_h * keep_h


def _magnitude(rope: Rope) -> float:
    """Scale of q and k: longrope's sqrt(1 + ln s / ln original) (arXiv:2402.13753), yarn's 1 + ln(s)/10."""
    p = rope.parameters
    if rope.kind not in ("longrope", "yarn"):
        return 1.0
    if p.get("attention_factor") is not None:
        return float(p["attention_factor"])
    if rope.kind == "yarn":
        some, all_of = p.get("mscale"), p.get("mscale_all_dim")
        return _mscale(rope, some) / _mscale(rope, all_of) if some and all_of else _mscale(rope, 1.0)
    factor = _factor(rope)
    return 1.0 if factor <= 1.0 else math.sqrt(1 + math.log(factor) / math.log(_original(rope)))


def _mscale(rope: Rope, weight: float) -> float:
    factor = _factor(rope)
    return 1.0 if factor <= 1.0 else 0.1 * weight * math.log(factor) + 1.0


def _original(rope: Rope) -> float:
    return rope.parameters["original_max_position_embeddings"]  # type: ignore[no-any-return]


def _factor(rope: Rope) -> float:
    given = rope.parameters.get("factor")
    return float(given or rope.parameters["max_position_embeddings"] / _original(rope))
