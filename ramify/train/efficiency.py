"""Block efficiency: how many tokens one pass of the target is worth when a chain of tokens is drafted before it.

    B texts, T tokens of a text, K tokens of a chain, p the target's law, q the law a token was drafted from

Speculative sampling (Leviathan et al. 2023, arXiv:2211.17192) accepts a drafted token x with chance
min(1, p(x) / q(x)). So it writes x by accepting it with chance min(p(x), q(x)), and by correcting another with the rest
of p(x). Given that a text of the target was written, its token x_t was an accepted one with chance

    beta_t = min(1, q(x_t) / p(x_t)),      whose mean over x_t ~ p is the acceptance sum_v min(p(v), q(v)),

independently of the other positions. The passes along a given text are then a renewal walk that needs no draw:

    visits_0 = 1,    visits_{t+k+1} += visits_t * P_t(exactly k accepted),    passes = sum over t < T of visits_t

P_t(exactly k accepted) = beta_t ... beta_{t+k-1} (1 - beta_{t+k}) for k < K, and the whole product for k = K: after k
accepted tokens the target writes one of its own. Block efficiency is tokens / passes over texts that the target
wrote: at temperature 1 with beta as above, at temperature 0 on greedy texts with beta_t = 1 where the draft's first
choice is x_t, else 0. The only error left is which texts were written: errors are standard errors by text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Efficiency:
    """The walk along B texts.

    tokens_B      tokens of each text
    passes_B      expected passes of the target over each
    reached_K     expected times the drafted token number k came to be judged, over all texts
    accepted_K    expected times it was accepted
    """

    tokens_B: Tensor
    passes_B: Tensor
    reached_K: Tensor
    accepted_K: Tensor

    @property
    def mean(self) -> float:
        """Tokens per target pass, over all texts together; from 1 to K + 1."""
        return float(self.tokens_B.sum() / self.passes_B.sum())

    @property
    def error(self) -> float:
        """Standard error of `mean` by text (a ratio of means, by the delta method)."""
        return _standard_error(self._influence_B)

    @property
    def acceptance(self) -> list[float]:
        """For each place in the chain: the chance of acceptance once all before it were accepted."""
        return [float(a / r) if r else 0.0 for a, r in zip(self.accepted_K, self.reached_K, strict=True)]

    def gain_over(self, other: "Efficiency") -> tuple[float, float]:
        """`mean` less that of `other`, and its standard error, paired: text i of both answers one prompt."""
        return self.mean - other.mean, _standard_error(self._influence_B - other._influence_B)

    @property
    def _influence_B(self) -> Tensor:
        return (self.tokens_B - self.mean * self.passes_B) / self.passes_B.mean()


def along(values_T: Tensor, depth: int, beyond: float) -> Tensor:
    """The values met by a chain from every start, [T, depth]: row t holds t, t + 1, ...; `beyond` behind the end."""
    return F.pad(values_T, (0, depth), value=beyond).unfold(0, depth, 1)[:-1]


def walk(chances: Sequence[Tensor]) -> Efficiency:
    """The expected walk along texts.

    Args:
        chances: for each text [T, K] in 0..1: at (t, k) the chance that the drafted token number k of a chain starting
            at t is accepted, given the text and that all before it were; 0 behind the text's end. No text is empty.
    """
    lengths_B, depth = torch.tensor([len(c) for c in chances]), chances[0].shape[1]
    longest = int(lengths_B.max())
    chance_BTK = torch.stack([F.pad(c.double(), (0, 0, 0, longest - len(c))) for c in chances])
    survives_BTK = chance_BTK.cumprod(-1)
    one_BT1, none_BT1 = torch.ones(*chance_BTK.shape[:2], 1).double(), torch.zeros(*chance_BTK.shape[:2], 1).double()
    judged_BTK = torch.cat([one_BT1, survives_BTK], -1)  # k accepted or more, k = 0..K
    exactly_BTK = judged_BTK - torch.cat([survives_BTK, none_BT1], -1)
    visits_BT = torch.zeros(len(chances), longest + depth + 1).double()
    visits_BT[:, 0] = 1.0
    for t in range(longest):
        visits_BT[:, t + 1 : t + depth + 2] += visits_BT[:, t, None] * exactly_BTK[:, t]
    places_T, drafted_K = torch.arange(longest), torch.arange(depth)
    visits_BT = visits_BT[:, :longest] * (places_T < lengths_B[:, None])
    inside_BTK = places_T[:, None] + drafted_K < lengths_B[:, None, None]
    reached_K = (visits_BT[..., None] * judged_BTK[..., :-1] * inside_BTK).sum((0, 1))
    accepted_K = (visits_BT[..., None] * survives_BTK).sum((0, 1))
    return Efficiency(lengths_B.double(), visits_BT.sum(-1), reached_K, accepted_K)


def _standard_error(influence_B: Tensor) -> float:
    num_texts = len(influence_B)
    return sqrt(float(influence_B.square().sum()) / (num_texts * (num_texts - 1))) if num_texts > 1 else float("inf")
