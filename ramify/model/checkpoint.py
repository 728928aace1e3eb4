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
from ramify.model.names import IGNORABLE, sources

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


def load(folder: str | Path, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Checkpoint:
    """Read a folder.

    Raises:
        CheckpointError: a file is missing or truncated, a tensor is missing, has another shape, or would go unread.
        UnknownArchitecture: config.json names a model_type that no decoder covers.
    """
    folder = Path(folder)
    config = read_json(folder / "config.json")
    shape = DecoderConfig.from_hf(config)
    with _open(folder) as tensors:
        if HEAD in tensors:  # a reward model's vocabulary head is never asked
            shape = replace(shape, tie_embeddings=True)
        decoder = _build(shape, tensors, folder, dtype, device)
        head = None
        if HEAD in tensors:
            bias = tensors.read("score.bias") if "score.bias" in tensors else None
            head = ValueHead(tensors.read(HEAD), bias).to(device)
        if unread := tensors.unread(tied=shape.tie_embeddings):
            raise CheckpointError(f"{folder}: {len(unread)} tensors would go unread, first {unread[0]!r}")
    return Checkpoint(decoder.eval().requires_grad_(False), head, config)


def save(decoder: Decoder, config: Mapping[str, Any], folder: str | Path, head: ValueHead | None = None) -> None:
    """Write config.json and model.safetensors, names and shapes as Hugging Face has them, in the weights' type."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, weight in decoder.named_parameters():
        parts = sources(decoder.config, name)
        pieces = weight.detach().cpu().split([rows for _, rows in parts])
        tensors |= {source: piece.clone() for (source, _), piece in zip(parts, pieces, strict=True)}
    if head is not None:
        tensors[HEAD] = head.weight.detach().cpu().to(decoder.embedding.dtype)
        tensors["score.bias"] = head.bias.detach().cpu().to(decoder.embedding.dtype)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(dict(config), indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: the file is missing or is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file; a model folder holds config.json, tokenizer.json and weights") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: a JSON object is expected, not {type(value).__name__}")
    return value


class _Tensors:
    """The tensors of a folder by name, read one at a time; remembers which nobody asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._where: dict[str, Any] = {}
        self._read: set[str] = set()
        for path in _files(folder):
            try:
                file = stack.enter_context(safe_open(path, framework="pt"))
            except (SafetensorError, OSError) as error:
                raise CheckpointError(f"{path}: cannot be read, truncated or not safetensors ({error})") from error
            self._where |= dict.fromkeys(file.keys(), file)

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def read(self, name: str) -> Tensor:
        self._read.add(name)
        return self._where[name].get_tensor(name)  # type: ignore[no-any-return]

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
        names = sorted(set(read_json(index).get("weight_map", {}).values()))
        if missing := [name for name in names if not (folder / name).exists()]:
            raise CheckpointError(f"{folder}: shard {missing[0]!r} is missing ({len(missing)} of {len(names)})")
        return [folder / name for name in names]
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    raise CheckpointError(f"{folder}: no model.safetensors and no index; pickled weights (.bin) are never read")


def _build(shape: DecoderConfig, tensors: _Tensors, folder: Path, dtype: torch.dtype, device: str) -> Decoder:
    with torch.device("meta"):
        decoder = Decoder(shape)
    state: dict[str, Tensor] = {}
    for name, want in decoder.named_parameters():
        parts = sources(shape, name)
        if missing := [source for source, _ in parts if source not in tensors]:
            raise CheckpointError(f"{folder}: tensor {missing[0]!r} is missing")
        weight = torch.cat([tensors.read(source) for source, _ in parts])
        if weight.shape != want.shape:
            raise CheckpointError(
                f"{folder}: {' + '.join(s for s, _ in parts)} has shape {tuple(weight.shape)}, "
                f"config.json asks for {tuple(want.shape)}"
            )
        state[name] = weight.to(device=device, dtype=dtype)
    if shape.tie_embeddings:
        state["head.weight"] = state["embedding"]
    decoder.load_state_dict(state, assign=True)
    if shape.tie_embeddings:
        decoder.head.weight = decoder.embedding
    decoder.rope = type(decoder.rope)(shape.rope, shape.head_dim)  # its tables were made on the meta device
    return decoder
