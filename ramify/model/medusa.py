"""Medusa heads: a target's own hidden row, read by small heads that guess the tokens after the next one.

Cai et al. 2024, "Medusa: Simple LLM Inference Acceleration Framework with Multiple Decoding Heads", arXiv:2401.10774.

    R rows, D hidden width, V vocabulary, H heads

Head k (from 0) turns the row of position t, after the final norm, into logits of token t + k + 2:

    U_k (h + SiLU(W_k h + b_k)),        W_k [D, D],  U_k [V, D]

A folder holds medusa_heads.safetensors (tensors named as in the paper's release), config.json and the tokenizer.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ramify.core.errors import CheckpointError
from ramify.model.config import DecoderConfig
from ramify.model.files import read_json
from ramify.model.linear import Linear

WEIGHTS = "medusa_heads.safetensors"
FLOATS = (torch.float32, torch.bfloat16, torch.float16)


class MedusaHead(nn.Module):
    """One head; fresh, it does nothing to the row, and its projection is uninitialised."""

    def __init__(self, hidden_size: int, vocab_size: int) -> None:
        super().__init__()
        self.mix = Linear(hidden_size, hidden_size, bias=True)
        self.project = Linear(hidden_size, vocab_size)
        nn.init.zeros_(self.mix.weight)

    def forward(self, hidden_RD: Tensor) -> Tensor:
        return self.project(hidden_RD + F.silu(self.mix(hidden_RD))).float()  # type: ignore[no-any-return]


class MedusaHeads(nn.Module):
    """All heads of one target."""

    def __init__(self, num_heads: int, hidden_size: int, vocab_size: int) -> None:
        super().__init__()
        self.hidden_size, self.vocab_size = hidden_size, vocab_size
        self.heads = nn.ModuleList(MedusaHead(hidden_size, vocab_size) for _ in range(num_heads))

    def forward(self, hidden_RD: Tensor) -> Tensor:
        """Logits, fp32 [H, R, V], of rows as `Decoder.forward` gives them."""
        return torch.stack([head(hidden_RD) for head in self.heads])

    @classmethod
    def start(cls, num_heads: int, vocabulary_VD: Tensor) -> "MedusaHeads":
        """Heads to train, fp32: as in the paper each starts as the target's own head, `vocabulary_VD`."""
        vocab_size, hidden_size = vocabulary_VD.shape
        heads = cls(num_heads, hidden_size, vocab_size)
        for name, weight in heads.named_parameters():
            if name.endswith("project.weight"):
                weight.data.copy_(vocabulary_VD)
        return heads


def save_heads(heads: MedusaHeads, folder: str | Path, base: str) -> None:
    """Write the weights in bfloat16 and config.json; `base` says whose heads they are."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = heads.state_dict()
    tensors = {
        source: state[name].detach().cpu().to(torch.bfloat16).clone() for name, source in _sources(len(heads.heads))
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    sizes = {"hidden_size": heads.hidden_size, "vocab_size": heads.vocab_size}
    config = {"medusa_num_heads": len(heads.heads), **sizes, "base": base}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def load_heads(
    folder: str | Path, base: DecoderConfig, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> MedusaHeads:
    """Read the heads of a folder, for a target of the sizes in `base`.

    Raises:
        CheckpointError: a file is missing or damaged, a tensor is missing, has another shape, is quantised or would go
            unread, or the heads are those of a target of other sizes.
    """
    folder = Path(folder)
    config = read_json(folder / "config.json")
    for name in ("medusa_num_heads", "hidden_size", "vocab_size"):
        if isinstance(config.get(name), bool) or not isinstance(config.get(name), int) or config[name] < 1:
            raise CheckpointError(f"{folder}: config.json: {name} is {config.get(name)!r}; Medusa heads need a count")
    for name, own in (("hidden_size", base.hidden_size), ("vocab_size", base.vocab_size)):
        if config[name] != own:
            raise CheckpointError(f"{folder}: heads of a target whose {name} is {config[name]}, this one's is {own}")
    with torch.device("meta"):
        heads = MedusaHeads(config["medusa_num_heads"], base.hidden_size, base.vocab_size)
    state = _checked(_read(folder / WEIGHTS), heads, folder)
    heads.load_state_dict({name: tensor.to(device=device, dtype=dtype) for name, tensor in state.items()}, assign=True)
    return heads.eval().requires_grad_(False)


def _sources(num_heads: int) -> list[tuple[str, str]]:
    """(our name, the release's name) of every tensor."""
    parts = (("mix.weight", "0.linear.weight"), ("mix.bias", "0.linear.bias"), ("project.weight", "1.weight"))
    return [(f"heads.{k}.{ours}", f"{k}.{theirs}") for k in range(num_heads) for ours, theirs in parts]


def _read(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise CheckpointError(f"{path}: no such file; pickled heads (medusa_lm_head.pt) are never read")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be read, truncated or not safetensors ({error})") from error


def _checked(tensors: dict[str, Tensor], heads: MedusaHeads, folder: Path) -> Mapping[str, Any]:
    """The tensors under our names."""
    state: dict[str, Tensor] = {}
    wanted = heads.state_dict()
    for name, source in _sources(len(heads.heads)):
        if source not in tensors:
            raise CheckpointError(f"{folder}: tensor {source!r} is missing")
        tensor, shape = tensors.pop(source), tuple(wanted[name].shape)
        if tuple(tensor.shape) != shape:
            raise CheckpointError(f"{folder}: {source} has shape {tuple(tensor.shape)}, config.json asks for {shape}")
        if tensor.dtype not in FLOATS:
            raise CheckpointError(f"{folder}: {source!r} is {tensor.dtype}; quantised weights are not read")
        state[name] = tensor
    if tensors:
        raise CheckpointError(f"{folder}: {len(tensors)} tensors would go unread, first {min(tensors)!r}")
    return state
