"""Grow a decoder: more blocks on top, and a lane beside the stream that remembers the token read.

By its last block a decoder that predicts the next token has half forgotten the present one, and
its residual stream is thousands long. Blocks put on top of that can neither compare the token with
what was predicted a row earlier nor make themselves heard. So the stream is divided by `SHRINK`,
which normed blocks do not notice (the norms' epsilon shrinks along), and it gets `lane` more
features: a code of the token, too small to disturb the old blocks, which the new blocks' norms
amplify. Nothing that the old decoder computes changes.

    D hidden width, L lane, V vocabulary
"""

from dataclasses import replace

import torch
from torch import Tensor

from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.train.initial import new_decoder

SHRINK = 400.0
CODE_LENGTH = 0.02  # beside embeddings about two long
CODE_GAIN = 4.0  # the code's length where a new block reads it, beside a stream of about 17


def extend_decoder(decoder: Decoder, num_layers: int, lane: int) -> Decoder:
    """`decoder` under `num_layers` more blocks that begin as the identity, `lane` features wider.

    fp32. The old blocks and the embedding are frozen; the new blocks and the final norm are
    trainable, but the lane stays as it is.
    """
    old = decoder.config
    trunk = new_decoder(_taller(old, num_layers, lane), 0)
    weights = dict(trunk.named_parameters())
    with torch.no_grad():
        for name, weight in decoder.named_parameters():
            _copy(name, weight.float(), weights[name], old.hidden_size, lane)
        weights["embedding"][:, old.hidden_size :] = _code(decoder.embedding, lane) / SHRINK
    for name, weight in weights.items():
        place = name.split(".")
        is_new = place[0] == "layers" and int(place[1]) >= old.num_layers
        weight.requires_grad_(is_new or place[0] == "norm")
        if is_new and weight.ndim == 1:
            weight.data[old.hidden_size :] = CODE_GAIN * SHRINK / CODE_LENGTH
        if is_new and _writes(name):
            weight.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: _without_lane(gradient, old.hidden_size)
            )
    return trunk


def _taller(old: DecoderConfig, num_layers: int, lane: int) -> DecoderConfig:
    share = old.hidden_size / (old.hidden_size + lane)
    return replace(
        old,
        hidden_size=old.hidden_size + lane,
        num_layers=old.num_layers + num_layers,
        attention=old.attention + (old.attention[-1],) * num_layers,
        norm_eps=old.norm_eps * share / SHRINK**2,
    )


def _copy(name: str, old: Tensor, new: Tensor, width: int, lane: int) -> None:
    """The old weight in the corner of the wider one, zeros where it meets the lane."""
    new.zero_()
    if old.ndim == 1:  # a norm now averages over more features
        new[:width] = old * (width / (width + lane)) ** 0.5
    elif name == "embedding":
        new[:, :width] = old / SHRINK
    elif _writes(name):
        new[:width] = old / SHRINK
    else:
        new[:, :width] = old


def _code(embedding_VD: Tensor, lane: int) -> Tensor:
    """The embeddings' `lane` principal directions, every token's code equally long; [V, L]."""
    _, _, directions_DD = torch.linalg.svd(embedding_VD.float(), full_matrices=False)
    code_VL = embedding_VD.float() @ directions_DD[:lane].T
    return torch.nn.functional.normalize(code_VL, dim=-1) * CODE_LENGTH


def _writes(name: str) -> bool:
    return name.endswith(("out.weight", "down.weight"))


def _without_lane(gradient: Tensor, width: int) -> Tensor:
    kept = gradient.clone()
    kept[width:] = 0.0
    return kept
