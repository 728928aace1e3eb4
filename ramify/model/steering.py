"""Activation steering: a vector is added to the residual stream after a layer, and the row keeps its length.

Nguyen et al., "GrAInS: Gradient-based Attribution for Inference-Time Steering of LLMs and VLMs", arXiv:2507.18043,
whose norm-preserving addition this is. Where its vectors come from: `ramify/train/attribution.py`.

    h    a row of the residual stream after layer l        v     the layer's vector
    λ    strength                                           h' = (h + λ v) ||h|| / ||h + λ v||

Law of the text: that of another model. Without vectors, or at λ = 0, nothing is installed: the very same bits.
`renormalise=False` is plain activation addition. A row's length and sum are its own: rows never couple.

    R rows, D hidden width
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ramify.core.errors import BadInput, CheckpointError, Incompatible
from ramify.core.strict import finite, whole
from ramify.model.backends import choose
from ramify.model.decoder import Decoder
from ramify.model.paged import Mode

FORMAT = "ramify-steering"
STRONGEST = 1e4
LAYER = "layer."
TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, eq=False)
class Steering:
    """Vectors for some layers of a decoder.

    Args:
        vectors: layer -> finite fp32 [D], all of one width.
        strength: what they are multiplied with; negative steers the other way.
        renormalise: give every row the length back that it had.

    Raises:
        BadInput: a layer is no whole number, a vector has another shape or holds no numbers, or the strength is none.
    """

    vectors: Mapping[int, Tensor]
    strength: float = 1.0
    renormalise: bool = True
    width: int = field(init=False)

    def __post_init__(self) -> None:
        finite("steer_strength", self.strength, -STRONGEST, STRONGEST)
        widths = {vector.shape for vector in self.vectors.values()}
        if len(widths) > 1 or any(len(shape) != 1 for shape in widths):
            raise BadInput("steer", f"vectors of one width are expected, not of {sorted(map(tuple, widths))}")
        for layer, vector in self.vectors.items():
            whole("steer", layer, 0, 1 << 16)
            if vector.dtype != torch.float32 or not bool(vector.isfinite().all()):
                raise BadInput("steer", f"layer {layer}: finite float32 numbers are expected")
        object.__setattr__(self, "width", next(iter(widths))[0] if widths else 0)

    @property
    def idle(self) -> bool:
        """Whether it changes nothing."""
        return self.strength == 0 or not any(bool(vector.any()) for vector in self.vectors.values())

    def at(self, strength: float) -> "Steering":
        """The same vectors at another strength."""
        return replace(self, strength=strength)

    def save(self, path: str | Path) -> None:
        """Write one safetensors file."""
        header = {"format": FORMAT, "strength": repr(float(self.strength)), "renormalise": str(self.renormalise)}
        tensors = {f"{LAYER}{layer}": vector.detach().cpu().contiguous() for layer, vector in self.vectors.items()}
        save_file(tensors, path, metadata=header)

    @classmethod
    def load(cls, path: str | Path) -> "Steering":
        """Read what `save` wrote.

        Raises:
            CheckpointError: no such file, it is damaged, or it holds something else.
        """
        if not Path(path).is_file():
            raise CheckpointError(f"steering {path}: no such file; make one with `ramify train steering`")
        try:
            with safe_open(path, "pt") as file:
                header, names = file.metadata() or {}, file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"steering {path}: cannot be read, truncated or not safetensors ({error})") from error
        if header.get("format") != FORMAT:
            raise CheckpointError(f"steering {path}: its header names no {FORMAT!r}; it holds something else")
        try:
            vectors = {int(name.removeprefix(LAYER)): tensor for name, tensor in tensors.items()}
            flag = {"True": True, "False": False}[header["renormalise"]]
            return cls(vectors, float(header["strength"]), flag)
        except (KeyError, ValueError) as error:  # BadInput is a ValueError
            raise CheckpointError(f"steering {path}: damaged ({error})") from error


def install(steering: Steering, decoder: Decoder, mode: Mode) -> None:
    """Steer a decoder from now on, in place. Before a runner is made over it: a steered decoder never rolls.

    Raises:
        Incompatible: the vectors are of another width, or of layers that the decoder has not.
    """
    config = decoder.config
    if steering.vectors:
        if steering.width != config.hidden_size:
            model = f"a model of width {config.hidden_size}"
            raise Incompatible(f"steering of width {steering.width}", model, "Make vectors from this very model.")
        if (last := max(steering.vectors)) >= config.num_layers:
            model = f"a model of {config.num_layers} layers"
            raise Incompatible(f"steering of layer {last}", model, "Layers count from 0; use this model's vectors.")
    decoder.steer = None if steering.idle else Addition(steering, decoder, mode)


class Addition:
    """What `Decoder.steer` does to rows after a layer.

    Lengths are sums in one fixed order in exact mode, where a row's bits may not depend on how many stand beside it.
    The shift is multiplied out once: a fused multiply-add would round by a row's place in a vector register.
    """

    def __init__(self, steering: Steering, decoder: Decoder, mode: Mode) -> None:
        weight = decoder.embedding
        shifts = {layer: vector.to(weight.device) * steering.strength for layer, vector in steering.vectors.items()}
        self.shift_D = {layer: shift_D for layer, shift_D in shifts.items() if bool(shift_D.any())}
        self.renormalise = steering.renormalise
        self.sum = choose("exact" if mode == "exact" else "reference", weight).prepare(
            torch.ones(1, steering.width, device=weight.device), None
        )

    def __call__(self, layer: int, h_RD: Tensor) -> Tensor:
        """The rows as the next layer reads them."""
        if layer not in self.shift_D:
            return h_RD
        stream_RD = h_RD.float()
        steered_RD = stream_RD + self.shift_D[layer]
        if self.renormalise:
            before_R1, after_R1 = self.sum(stream_RD * stream_RD), self.sum(steered_RD * steered_RD)
            steered_RD = steered_RD * (before_R1 / after_R1.clamp_min(TINY)).sqrt()
        return steered_RD.to(h_RD.dtype)
