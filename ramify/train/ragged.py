"""Sequences of different lengths in one forward pass, no row wasted outside attention.

R rows of all sequences laid end to end, B sequences, T the longest, K key-value heads,
G query heads of each, d head_dim
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ramify.model.config import AttentionSpec

CHUNK = 12
HIDDEN = -1e9


@dataclass(frozen=True)
class Chunk:
    """Consecutive sequences in rows `start`..`stop`; `places_R` are those rows in a B x T grid."""

    start: int
    stop: int
    places_R: Tensor
    batch: int
    longest: int


@dataclass(frozen=True)
class Rows:
    """Token ids of sequences end to end, with their positions, in chunks that attend together."""

    tokens_R: Tensor
    positions_R: Tensor
    chunks: tuple[Chunk, ...]

    @classmethod
    def of(cls, sequences: list[list[int]]) -> "Rows":
        """Lay sequences of token ids (none empty) end to end; fastest when sorted by length."""
        lengths = [len(s) for s in sequences]
        chunks, start = [], 0
        for first in range(0, len(lengths), CHUNK):
            part = torch.tensor(lengths[first : first + CHUNK])
            longest, stop = int(part.max()), start + int(part.sum())
            offsets_R = torch.repeat_interleave(torch.arange(len(part)) * longest, part)
            positions_R = torch.cat([torch.arange(n) for n in part.tolist()])
            chunks.append(Chunk(start, stop, offsets_R + positions_R, len(part), longest))
            start = stop
        return cls(
            torch.tensor([token for s in sequences for token in s]),
            torch.cat([torch.arange(n) for n in lengths]),
            tuple(chunks),
        )


class RaggedCausal:
    """`attend` for `Rows`: a chunk is spread over its grid, attends, and is gathered again.

    Padding stands behind a sequence, where causal attention never looks. Written out in two matrix
    products: at these lengths on a CPU that is several times faster, forward and backward, than
    `scaled_dot_product_attention`, to which a test holds it.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __call__(self, layer: int, spec: AttentionSpec, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
        if spec.softcap is not None or spec.window is not None:
            raise NotImplementedError("training covers plain causal attention only")
        qkv = (q_RHd * spec.scale, k_RKd, v_RKd)
        return torch.cat([attend(c, _causal(c, q_RHd), *(x[c.start : c.stop] for x in qkv)) for c in self.rows.chunks])


def _causal(chunk: Chunk, like: Tensor) -> Tensor:
    return like.new_full((chunk.longest, chunk.longest), HIDDEN).triu(1)


def attend(chunk: Chunk, mask_TT: Tensor, q_RHd: Tensor, k_RKd: Tensor, v_RKd: Tensor) -> Tensor:
    """The rows of one chunk; `mask_TT` is added to the scores, [T, T] or one for each sequence [B, 1, T, T]."""
    heads, kv_heads = q_RHd.shape[1], k_RKd.shape[1]
    q_BHTd, k_BKTd, v_BKTd = (_spread(chunk, x) for x in (q_RHd, k_RKd, v_RKd))
    q_BKGd = q_BHTd.reshape(chunk.batch, kv_heads, -1, q_BHTd.shape[-1])  # G here is groups x T
    score_BKGT = q_BKGd @ k_BKTd.transpose(-1, -2) + torch.cat([mask_TT] * (heads // kv_heads), -2)
    out_BKGd = score_BKGT.softmax(-1).to(v_BKTd.dtype) @ v_BKTd
    out_BTHd = out_BKGd.reshape(q_BHTd.shape).transpose(1, 2)
    return out_BTHd.flatten(0, 1)[chunk.places_R]


def _spread(chunk: Chunk, x_RHd: Tensor) -> Tensor:
    grid = x_RHd.new_zeros(chunk.batch * chunk.longest, *x_RHd.shape[1:])
    grid = grid.index_copy(0, chunk.places_R, x_RHd)
    return grid.view(chunk.batch, chunk.longest, *x_RHd.shape[1:]).transpose(1, 2)
