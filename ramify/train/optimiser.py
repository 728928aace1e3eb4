"""Muon for the matrices inside the blocks, AdamW for the rest; warm up, stay, decay to zero.

Muon: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/, with the step size matched to
AdamW's (Liu et al. 2025, arXiv:2502.16982). The schedule is WSD (Hu et al. 2024, arXiv:2404.06395):
until its decay begins, a run does not depend on how long it will be.
"""

from typing import Any

import torch
from torch import nn

from ramify.train.shapes import Budget

ADAMW_SHARE = 0.5
WEIGHT_DECAY = 0.01
GRADIENT_NORM = 1.0


def rate_share(step: int, budget: Budget) -> float:
    """The share of the peak rate at `step`, in 0..1."""
    rise = (step + 1) / max(1, budget.warmup)
    fall = (budget.steps - step) / max(1, budget.decay)
    return max(0.0, min(1.0, rise, fall))


class Optimiser:
    """Both optimisers as one; frozen weights stay; `step(share)` takes the share of the peak.

    extra         weights beside the decoder's, for AdamW
    extra_rate    their own peak rate; as for the decoder's outer weights when not given
    """

    def __init__(
        self, decoder: nn.Module, extra: list[nn.Parameter], rate: float, extra_rate: float | None = None
    ) -> None:
        named = [(name, p) for name, p in decoder.named_parameters() if p.requires_grad]
        inner = [p for name, p in named if name.startswith("layers.") and p.ndim == 2]
        inside = {id(p) for p in inner}
        along, apart = (extra, []) if extra_rate is None else ([], extra)
        outer = [p for _, p in named if id(p) not in inside] + along
        self.parameters = inner + outer + apart
        parts: list[tuple[torch.optim.Optimizer, float]] = []
        if inner:
            muon = torch.optim.Muon(
                inner, lr=rate, momentum=0.95, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"
            )
            parts.append((muon, rate))
        for weights, peak in ((outer, rate * ADAMW_SHARE), (apart, extra_rate or 0.0)):
            if weights:
                adamw = torch.optim.AdamW(weights, lr=peak, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
                parts.append((adamw, peak))
        self.parts = tuple(parts)

    def step(self, share: float) -> None:
        """Clip the gradients to a total norm of 1, update, and clear them."""
        nn.utils.clip_grad_norm_(self.parameters, GRADIENT_NORM)
        for part, rate in self.parts:
            for group in part.param_groups:
                group["lr"] = rate * share
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """The states of all, for a checkpoint."""
        return [part.state_dict() for part, _ in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Continue from `state_dict()`."""
        for (part, _), state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)
