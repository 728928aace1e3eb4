"""Integrated Gradients: which tokens of a prompt decide between two answers.

Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017, arXiv:1703.01365, of the contrast in
Nguyen et al., "GrAInS", arXiv:2507.18043.

    x     embeddings of the prompt's tokens       x'   the baseline       y+, y-   preferred and dispreferred answer
    f     log p(y+ | x) - log p(y- | x)           a    place on the path  g(a) = f(x' + a (x - x'))

    IG_i = (x_i - x'_i) . ∫ ∂f/∂x_i (x' + a (x - x')) da,   the integral as a sum of w_j times the gradient at a_j

Completeness: the IG sum to f(x) - f(x') within what the sum misses of the integral; see `Attribution.gap`.

Departures: half of the gradients are taken at the midpoints of equal parts of the path; then the parts are halved over
which the gradient foretells g's change worst. A trained decoder is flat on most of the path and leaps on a little of
it: equal parts hit or miss the leaps by chance. The baseline is the mean of all embeddings, not zero: a zero row has no
direction, and RMSNorm leaps there. A begin token stays as it is: it says nothing, and much attention rests on it.

    T tokens of the prompt, D hidden width, R rows of all sequences end to end
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ramify.core.types import WHOLE
from ramify.model.decoder import Decoder, Tap
from ramify.train.ragged import RaggedCausal, Rows

AT_ONCE = 8  # points of the path in one pass


@dataclass(frozen=True)
class Contrast:
    """Token ids of a prompt (with `begin` tokens in front that say nothing), a preferred and a dispreferred answer."""

    prompt: list[int]
    preferred: list[int]
    dispreferred: list[int]
    begin: int = 0


@dataclass(frozen=True)
class Attribution:
    """What each token of the prompt adds to f, [T]; f of the prompt and of the baseline, in nats."""

    tokens_T: Tensor
    contrast: float
    baseline: float

    @property
    def gap(self) -> float:
        """What the sum misses f(x) - f(x') by."""
        return float(self.tokens_T.sum()) - (self.contrast - self.baseline)

    def most(self, k: int) -> tuple[list[int], list[int]]:
        """Places of the k tokens that speak most for the preferred answer, and most against it; fewer if fewer do."""
        order = self.tokens_T.argsort(descending=True).tolist()
        return (
            [i for i in order[:k] if self.tokens_T[i] > 0],
            [i for i in order[::-1][:k] if self.tokens_T[i] < 0],
        )


def embed(decoder: Decoder, tokens: Sequence[int]) -> Tensor:
    """The residual stream before the first layer, [T, D]."""
    ids_T = torch.tensor(list(tokens), dtype=torch.long)
    return F.embedding(ids_T, decoder.embedding) * decoder.config.embedding_scale


def ablated(decoder: Decoder, x_TD: Tensor, places: Sequence[int]) -> Tensor:
    """x with the baseline at some places."""
    mean_D = decoder.embedding.mean(0) * decoder.config.embedding_scale
    gone_T = torch.zeros(len(x_TD), dtype=torch.bool)
    gone_T[list(places)] = True
    return torch.where(gone_T[:, None], mean_D, x_TD)


def read(decoder: Decoder, sequences: Sequence[Tensor], tap: Tap | None = None) -> Tensor:
    """Hidden rows after the final norm, [R, D], of sequences of embeddings; differentiable."""
    rows = Rows.of([[0] * len(x_TD) for x_TD in sequences])
    cos_Rh, sin_Rh = decoder.rowwise.angles(decoder.rope, rows.positions_R)
    stream_RD = decoder.layer_by_layer(torch.cat(list(sequences)), cos_Rh, sin_Rh, RaggedCausal(rows), tap, WHOLE)
    return decoder.norm(stream_RD)  # type: ignore[no-any-return]


def contrasts(decoder: Decoder, prompts: Sequence[Tensor], of: Contrast) -> Tensor:
    """f of each prompt [T, D], fp32, one a prompt; differentiable."""
    answers = (of.preferred, of.dispreferred)
    said = list(dict.fromkeys(tuple(answer[:-1]) for answer in answers))  # one, where answers are single tokens
    sequences = [torch.cat([x_TD, embed(decoder, tokens)]) for x_TD in prompts for tokens in said]
    hidden = torch.split(read(decoder, sequences), [len(x_TD) for x_TD in sequences])
    first, second = (said.index(tuple(answer[:-1])) for answer in answers)
    return torch.stack(
        [
            _log_chance(decoder, hidden[i + first], of.preferred)
            - _log_chance(decoder, hidden[i + second], of.dispreferred)
            for i in range(0, len(hidden), len(said))
        ]
    )


def integrated_gradients(decoder: Decoder, of: Contrast, steps: int) -> Attribution:
    """Attribute f to the prompt's tokens.

    Args:
        decoder: plain (not prepared for inference), without windows or capped scores.
        steps: gradients that are taken.
    """
    path = _Path(decoder, of)
    equal = max(1, steps // 2)
    g = path.values([j / equal for j in range(equal + 1)])
    parts = path.parts([(j / equal, (j + 1) / equal, g[j], g[j + 1]) for j in range(equal)])
    left = steps - equal
    while (count := min(left, AT_ONCE, 2 * len(parts)) // 2) > 0:
        parts.sort(key=lambda part: part.missed)
        parts, worst = parts[:-count], parts[-count:]
        parts += path.parts([half for part in worst for half in part.halves])
        left -= 2 * count
    tokens_T = torch.stack([part.along_T * (part.stop - part.start) for part in parts]).sum(0)
    return Attribution(tokens_T, contrast=g[-1], baseline=g[0])


Span = tuple[float, float, float, float]  # where a part of the path begins and ends, and g there


@dataclass(frozen=True)
class _Part:
    """A part of the path, and what is known at its middle: g, and (x - x') . ∂f/∂x of every token."""

    start: float
    stop: float
    g_start: float
    g_stop: float
    g_middle: float
    along_T: Tensor

    @property
    def missed(self) -> float:
        return abs(float(self.along_T.sum()) * (self.stop - self.start) - (self.g_stop - self.g_start))

    @property
    def halves(self) -> list[Span]:
        middle = (self.start + self.stop) / 2
        return [(self.start, middle, self.g_start, self.g_middle), (middle, self.stop, self.g_middle, self.g_stop)]


class _Path:
    """The straight line from the baseline to the prompt."""

    def __init__(self, decoder: Decoder, of: Contrast) -> None:
        self.decoder, self.of = decoder, of
        with torch.no_grad():
            x_TD = embed(decoder, of.prompt)
            self.baseline_TD = ablated(decoder, x_TD, range(of.begin, len(x_TD)))
            self.way_TD = x_TD - self.baseline_TD

    @torch.no_grad()
    def values(self, places: Sequence[float]) -> list[float]:
        """g at some places."""
        points = [self.baseline_TD + a * self.way_TD for a in places]
        blocks = [points[i : i + AT_ONCE] for i in range(0, len(points), AT_ONCE)]
        return torch.cat([contrasts(self.decoder, block, self.of) for block in blocks]).tolist()

    def parts(self, spans: Sequence[Span]) -> list[_Part]:
        """A gradient for each span, at its middle."""
        made: list[_Part] = []
        for i in range(0, len(spans), AT_ONCE):
            block = spans[i : i + AT_ONCE]
            points = [(self.baseline_TD + (a + z) / 2 * self.way_TD).requires_grad_() for a, z, _, _ in block]
            g_S = contrasts(self.decoder, points, self.of)
            gradients = torch.autograd.grad(g_S.sum(), points)
            along = [(self.way_TD * gradient_TD).sum(-1) for gradient_TD in gradients]
            made += [_Part(*span, g, along_T) for span, g, along_T in zip(block, g_S.tolist(), along, strict=True)]
        return made


def _log_chance(decoder: Decoder, hidden_RD: Tensor, answer: Sequence[int]) -> Tensor:
    """log p of an answer whose last token follows the last row."""
    logp_NV = decoder.logits(hidden_RD[-len(answer) :]).log_softmax(-1)
    return logp_NV.gather(1, torch.tensor(list(answer))[:, None]).sum()
