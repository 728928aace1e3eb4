"""Drafting in one call: a small decoder reads some tokens of each branch and rolls on by its own draws.

B branches, K tokens drawn, V vocabulary
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ramify.core.sampling import Rule
from ramify.kv.store import PagedStore
from ramify.model.decoder import Decoder, Layer
from ramify.model.few_rows import layer_numbers, layer_weights
from ramify.model.fused import as_numpy
from ramify.model.kernels import roll as kernels
from ramify.model.kernels.jit import follow_torch

LARGEST = 8 << 20  # bytes of weights up to which a core does better alone than all of them call by call


@dataclass(frozen=True)
class Rolled:
    """What was drawn, [B, K] (-1 where no token was wanted), and from which laws, fp64 [B, K, V], if asked for."""

    tokens_BK: NDArray[np.int64]
    mass_BKV: NDArray[np.float64]


def can_roll(decoder: Decoder) -> bool:
    """Whether a decoder is small enough, has kernels for all of its parts, and is not steered."""
    size = sum(p.numel() * p.element_size() for p in decoder.parameters())
    return size <= LARGEST and not decoder.config.num_experts and decoder.head.bias is None and decoder.steer is None


def follows(rule: Rule) -> bool:
    """Whether rolling can draw by a rule: temperature and cuts, but nothing that looks at the text."""
    return not (rule.reads_path or rule.logit_bias or rule.bad_runs)


class Rolling:
    """A decoder over the pages of a store."""

    def __init__(self, decoder: Decoder, store: PagedStore) -> None:
        self.store, self.vocab_size = store, decoder.config.vocab_size
        layers = [each for each in decoder.layers if isinstance(each, Layer)]
        weights = [layer_weights(each, decoder.embedding.new_empty(0)) for each in layers]
        stacked = (np.stack(arrays) for arrays in zip(*weights, strict=True))
        numbers = [layer_numbers(decoder, each) for each in layers]
        scale, cap, window = (np.array([getattr(n, name) for n in numbers]) for name in ("scale", "cap", "window"))
        config, first = decoder.config, numbers[0]
        multiplier = decoder.embedding.new_tensor(config.embedding_scale).item()  # rounded as the decoder rounds it
        self.model: tuple[Any, ...] = (
            as_numpy(decoder.embedding), np.float32(multiplier), as_numpy(decoder.norm.weight),
            as_numpy(decoder.head.weight), np.float32(config.logit_softcap or 0.0), decoder.rope.frequencies.numpy(),
            np.float32(decoder.rope.magnitude), *stacked, first.heads, first.eps, first.offset, first.activation,
            scale, cap, window, store.k_array, store.v_array,
        )  # fmt: skip

    def __call__(
        self,
        reads: Sequence[Sequence[int]],
        starts: Sequence[int],
        tables: Sequence[Sequence[int]],
        counts: Sequence[int],
        uniform_BK: NDArray[np.float64],
        rule: Rule,
        *,
        laws: bool,
    ) -> Rolled:
        """Read, then draw counts[b] tokens for each branch; all but the last are read, too.

        Args:
            reads: one token or more a branch, at positions from its start on.
            tables: pages with slots for all that is read.
            rule: one that `follows` says yes to.
        """
        follow_torch()
        first_B = np.cumsum([0, *map(len, reads)])
        offset_B = np.cumsum([0, *map(len, tables)])
        drawn_BK = np.full(uniform_BK.shape, -1, np.int64)
        mass_BKV = np.zeros((*uniform_BK.shape, self.vocab_size if laws else 0))
        roll: Any = kernels.roll  # a list of arguments, half of them made once
        roll(
            np.concatenate([np.asarray(tokens, np.int64) for tokens in reads]), first_B, np.asarray(starts, np.int64),
            np.concatenate([np.asarray(pages, np.int32) for pages in tables]), offset_B, self.store.page_size,
            np.asarray(counts, np.int64), uniform_BK, np.float32(rule.temperature), rule.top_k, float(rule.top_p),
            np.float32(rule.min_p), *self.model, drawn_BK, mass_BKV,
        )  # fmt: skip
        return Rolled(drawn_BK, mass_BKV)
