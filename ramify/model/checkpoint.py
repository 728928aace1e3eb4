"""Weights in safetensors (one file or sharded), laid out as Hugging Face lays them out. No pickle, no remote code.

R rows, D hidden width
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ramify.core.errors import CheckpointError
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.model.files import read_json as read_json
from ramify.model.names import IGNORABLE, sources, stacked

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
HEAD = "score.weight"  # the value head of a reward model, [1, D]; `score.bias` [1] is optional


class ValueHead(nn.Module):
    """hidden_RD -> value_R in fp32: one number a token, raw (no sigmoid)."""

    def __init__(self, weight_1D: Tensor, bias_1: Tensor | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight_1D.float())
        self.bias = nn.Parameter((torch.zeros(1) if bias_1 is None else bias_1).float())

    def forward(self, hidden_RD: Tensor) -> Tensor:
        return (hidden_RD.float() * self.weight[0]).sum(-1) + self.bias


@dataclass(frozen=True)
class Checkpoint:
    """A decoder, its value head if the folder holds a reward model, and the config.json it came from."""

    decoder: Decoder
    head: ValueHead | None
    config: Mapping[str, Any]


def load(
    folder: str | Path, dtype: torch.dtype = torch.float32, device: str = "cpu", context: int | None = None
) -> Checkpoint:
    """Read a folder.

    Args:
        context: positions the caller will need, when more than the default (`DecoderConfig.from_hf`).

    Raises:
        CheckpointError: a file is missing or truncated, a tensor is missing, has another shape, is quantised, or
            would go unread.
        UnknownArchitecture: config.json names a model_type that no decoder covers.
        BadInput: `context` is more than the checkpoint covers.
    """
    folder = Path(folder)
    config = read_json(folder / "config.json")
    shape = DecoderConfig.from_hf(config, context)
    with _open(folder) as tensors:
        head = _head(config, tensors, folder)
        tied = head is not None or _tied(shape, tensors)  # a reward model's vocabulary head is never asked
        shape = replace(shape, tie_embeddings=tied)
        decoder = _build(shape, tensors, folder, dtype, device)
        if unread := tensors.unread(tied):
            raise CheckpointError(f"{folder}: {len(unread)} tensors would go unread, first {unread[0]!r}")
    head = None if head is None else head.to(device)
    return Checkpoint(decoder.eval().requires_grad_(False), head, config)


def save(decoder: Decoder, config: Mapping[str, Any], folder: str | Path, head: ValueHead | None = None) -> None:
    """Write config.json and model.safetensors, names and shapes as Hugging Face has them, in the weights' type."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, weight in decoder.named_parameters():
        parts = sources(decoder.config, name)
        pieces = torch.split(weight.detach().cpu(), [rows for _, rows in parts])
        tensors |= {source: piece.clone() for (source, _), piece in zip(parts, pieces, strict=True)}
    if head is not None:
        tensors[HEAD] = head.weight.detach().cpu().to(decoder.embedding.dtype)
        tensors["score.bias"] = head.bias.detach().cpu().to(decoder.embedding.dtype)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(dict(config), indent=2) + "\n")


class _Tensors:
    """The tensors of a folder by name, read one at a time; remembers which nobody asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._where: dict[str, Any] = {}
        self._read: set[str] = set()
        for path in _files(folder):
            try:
                file = stack.enter_context(safe_open(path, framework="pt"))
            except (SafetensorError, OSError) as error:
                raise CheckpointError(f"{path}: cannot be read, truncated or not safetensors ({error})") from error
            self._where |= dict.fromkeys(file.keys(), file)

    def __contains__(self, name: str) -> bool:
        place = stacked(name)
        return name in self._where or (place is not None and place.tensor in self._where)

    def read(self, name: str) -> Tensor:
        tensor = self._stored(name)
        if tensor.dtype not in FLOATS:
            raise CheckpointError(f"{self._folder}: {name!r} is {tensor.dtype}; quantised weights are not read")
        return tensor

    def _stored(self, name: str) -> Tensor:
        place = stacked(name)
        if name in self._where or place is None:
            self._read.add(name)
            return self._where[name].get_tensor(name)  # type: ignore[no-any-return]
        self._read.add(place.tensor)
        stack = self._where[place.tensor].get_slice(place.tensor)
        rows: Tensor = stack[:] if place.expert is None else stack[place.expert]
        return rows if place.half is None else rows.chunk(2)[place.half]

    def unread(self, tied: bool) -> list[str]:
        left = sorted(set(self._where) - self._read - ({"lm_head.weight"} if tied else set()))
        return [name for name in left if not IGNORABLE.search(name)]


@contextmanager
def _open(folder: Path) -> Iterator[_Tensors]:
    with ExitStack() as stack:
        yield _Tensors(folder, stack)


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        shards = read_json(index).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(n, str) and Path(n).name == n for n in shards.values()):
            raise CheckpointError(f"{index}: weight_map is expected to name a file of this folder for every tensor")
        names = sorted(set(shards.values()))
        if missing := [name for name in names if not (folder / name).exists()]:
            raise CheckpointError(f"{folder}: shard {missing[0]!r} is missing ({len(missing)} of {len(names)})")
        return [folder / name for name in names]
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    raise CheckpointError(f"{folder}: no model.safetensors and no index; pickled weights (.bin) are never read")


def _head(config: Mapping[str, Any], tensors: _Tensors, folder: Path) -> ValueHead | None:
    """The value head, if this is a reward model with one output."""
    if HEAD not in tensors:
        kinds = [name for name in config.get("architectures") or () if "Classification" in str(name)]
        if kinds:
            raise CheckpointError(f"{folder}: a {kinds[0]} without its head, tensor {HEAD!r} is missing")
        return None
    weight_1D, width = tensors.read(HEAD), config.get("hidden_size")
    if weight_1D.shape != (1, width):
        raise CheckpointError(f"{folder}: {HEAD} has shape {tuple(weight_1D.shape)}, a reward model has (1, {width})")
    bias_1 = tensors.read("score.bias") if "score.bias" in tensors else None
    if bias_1 is not None and bias_1.shape != (1,):
        raise CheckpointError(f"{folder}: score.bias has shape {tuple(bias_1.shape)}, a reward model has (1,)")
    return ValueHead(weight_1D, bias_1)


def _tied(shape: DecoderConfig, tensors: _Tensors) -> bool:
    """config.json may say tied where the file holds two different matrices: then the file is right."""
    if not shape.tie_embeddings or "lm_head.weight" not in tensors or "model.embed_tokens.weight" not in tensors:
        return shape.tie_embeddings
    return torch.equal(tensors.read("lm_head.weight"), tensors.read("model.embed_tokens.weight"))


def _build(shape: DecoderConfig, tensors: _Tensors, folder: Path, dtype: torch.dtype, device: str) -> Decoder:
    with torch.device("meta"):
        decoder = Decoder(shape)
    state: dict[str, Tensor] = {}
    for name, want in decoder.named_parameters():
        parts = sources(shape, name)
        if missing := [source for source, _ in parts if source not in tensors]:
            raise CheckpointError(f"{folder}: tensor {missing[0]!r} is missing")
        pieces = [tensors.read(source) for source, _ in parts]
        for piece, (source, rows) in zip(pieces, parts, strict=True):
            if piece.shape != (asked := (rows, *want.shape[1:])):
                raise CheckpointError(
                    f"{folder}: {source} has shape {tuple(piece.shape)}, config.json asks for {asked}"
                )
        state[name] = torch.cat(pieces).to(device=device, dtype=dtype)
    if shape.tie_embeddings:
        state["head.weight"] = state["embedding"]
    decoder.load_state_dict(state, assign=True)
    if shape.tie_embeddings:
        decoder.head.weight = decoder.embedding
    decoder.rope = type(decoder.rope)(shape.rope, shape.head_dim)  # its tables were made on the meta device
    return decoder
