"""GrAInS: steering vectors from the tokens that decide between a preferred and a dispreferred answer.

Nguyen et al., "GrAInS: Gradient-based Attribution for Inference-Time Steering of LLMs and VLMs", arXiv:2507.18043.

    x        a prompt                                 I+, I-   the k tokens that speak most for and against y+
    x \\ I    x with the tokens of I taken out         h_l(x)   the residual stream after layer l at x's last token

    Δ+ = h_l(x) - h_l(x \\ I+),      Δ- = h_l(x) - h_l(x \\ I-)                          of every pair
    v_l = (u(Δ+) - u(Δ-)) ||h_l||,  u the first principal direction over the pairs      of every layer

Added to a row (`ramify/model/steering.py`), v_l is as if the prompt had more of what speaks for y+ and less of what
speaks against it.

Departures: a token is taken out by putting the attribution's baseline in its place, not a mask token, which a decoder
need not have. Principal directions are those of the differences as they are, not centred, and point where the mean
difference does: their sign would be chance. `average="mean"` takes the mean difference's direction. v_l is scaled by
the mean length of the rows it was read from, so that a strength means the same in every layer and model. Pairs in which
no token speaks for (or against) y+ have no part in that direction.

    N pairs, D hidden width
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ramify.core.errors import BadInput
from ramify.core.strict import whole
from ramify.model.checkpoint import load
from ramify.model.decoder import Decoder
from ramify.model.steering import Steering
from ramify.model.tokenizer import Tokenizer
from ramify.train.attribution import Attribution, Contrast, ablated, embed, integrated_gradients, read
from ramify.train.contrasts import TextPair, read_pairs, tokenized

Average = Literal["pca", "mean"]
Watch = Callable[[int, Attribution], None]  # (pairs done, the last one's attribution)


def build_steering(
    decoder: Decoder,
    tokenizer: Tokenizer,
    pairs: Sequence[TextPair],
    *,
    layers: Sequence[int] | None = None,
    top_k: int = 3,
    steps: int = 32,
    average: Average = "pca",
    watch: Watch = lambda done, attribution: None,
) -> Steering:
    """Vectors that steer towards the preferred answers, at strength 1, which is a lot.

    Args:
        decoder: plain, fp32, not prepared for inference and not steered.
        layers: from 0; all when not given.
        top_k: tokens taken out of a prompt at a time.
        steps: of the integral.
        watch: is told of every attribution.

    Raises:
        BadInput: an option is out of range, a pair has an empty side or is too long, there is no pair, or no token of
            any prompt speaks for or against the preferred answers.
    """
    config = decoder.config
    layers = range(config.num_layers) if layers is None else layers
    for layer in layers:
        whole("layers", layer, 0, config.num_layers - 1)
    whole("top_k", top_k, 1, 1 << 16)
    whole("steps", steps, 1, 1 << 16)
    if any(spec.window is not None or spec.softcap is not None for spec in config.attention):
        raise BadInput("target", "attribution covers plain causal attention, no windows and no capped scores")
    streams_3: tuple[list[Tensor], ...] = ([], [], [])  # of h, Δ+ and Δ-, each [L, D]
    for number, pair in enumerate(pairs, start=1):
        contrast = tokenized(tokenizer, pair, number, config.max_positions)
        attribution = integrated_gradients(decoder, contrast, steps)
        watch(number, attribution)
        for streams, found in zip(streams_3, _differences(decoder, contrast, attribution.most(top_k)), strict=True):
            streams += [] if found is None else [found]
    return Steering(_vectors(streams_3, layers, average))


def train_steering(
    out: Path,
    target: Path,
    pairs: Path,
    *,
    layers: Sequence[int] | None = None,
    top_k: int = 3,
    steps: int = 32,
    average: Average = "pca",
    watch: Watch = lambda done, attribution: None,
) -> Steering:
    """Read a model and a file of pairs, write the file `out`; see `build_steering`.

    Raises:
        BadInput: see there, and `read_pairs`. CheckpointError: the model cannot be read.
    """
    if not out.parent.is_dir() or out.is_dir():
        raise BadInput("out", f"{out}: a file in a folder that exists is expected")
    texts = read_pairs(pairs)
    decoder = load(target).decoder.float().requires_grad_(False)
    tokenizer = Tokenizer.load(target)
    steering = build_steering(
        decoder, tokenizer, texts, layers=layers, top_k=top_k, steps=steps, average=average, watch=watch
    )
    steering.save(out)
    return steering


@torch.no_grad()
def _differences(
    decoder: Decoder, of: Contrast, most: tuple[list[int], list[int]]
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """h, Δ+ and Δ-, each [L, D]; None where there is no token to take out."""
    x_TD, taps = embed(decoder, of.prompt), list[Tensor]()
    last_3 = torch.arange(1, 4) * len(x_TD) - 1
    read(decoder, [x_TD, *(ablated(decoder, x_TD, places) for places in most)], lambda _, h: taps.append(h[last_3]))
    h_LD, positive_LD, negative_LD = torch.stack(taps, 1)
    return h_LD, h_LD - positive_LD if most[0] else None, h_LD - negative_LD if most[1] else None


def _vectors(streams_3: tuple[list[Tensor], ...], layers: Sequence[int], average: Average) -> dict[int, Tensor]:
    h, positive, negative = streams_3
    if not positive and not negative:
        raise BadInput("pairs", "no token of any prompt speaks for or against the preferred answers; give other pairs")
    vectors = {}
    for layer in layers:
        toward_D, away_D = (_direction([s[layer] for s in side], average) for side in (positive, negative))
        length = torch.stack([s[layer] for s in h]).norm(dim=-1).mean()
        vectors[layer] = (toward_D - away_D) * length
    return vectors


def _direction(differences: Sequence[Tensor], average: Average) -> Tensor:
    """A unit vector, along the mean difference; zero if there is none."""
    if not differences:
        return torch.zeros(())
    differences_ND = torch.stack(list(differences))
    mean_D = differences_ND.mean(0)
    if average == "mean":
        return F.normalize(mean_D, dim=0)
    first_D: Tensor = torch.linalg.svd(differences_ND, full_matrices=False).Vh[0]
    return first_D * torch.sign(first_D @ mean_D)
