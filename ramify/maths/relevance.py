"""SAR: uncertainty in which tokens and samples count by their relevance.

Duan et al., "Shifting Attention to Relevance: Towards the Predictive Uncertainty Quantification of Free-Form Large
Language Models", arXiv:2307.01379.

    p(z_i)   probability of token i of a sample      R_i   its relevance: how much the meaning changes without it
    p(s_j)   probability of sample j, K samples      g_jk  similarity of samples j and k, in [0, 1]
    t        temperature: how much similar samples lend one another

    token-SAR      E_T(s) = sum_i -log p(z_i) R_i / sum R
    sentence-SAR   E_S = mean_j -log( p(s_j) + sum_{k != j} g_jk p(s_k) / t )
    SAR            sentence-SAR with exp(-E_T(s)) in the place of p(s)

Higher is more uncertain. Equal relevance gives the length-normalised negative log-likelihood; no similarity, or t to
infinity, gives predictive entropy estimated from the samples. Relevance that is zero throughout counts as equal.
"""

import math
from collections.abc import Sequence

from ramify.core.errors import BadInput
from ramify.core.strict import finite
from ramify.maths.checks import log_sum_exp, numbers, same_length, table

TEMPERATURE = 0.001  # the paper's


def token_relevance(similarities: Sequence[float]) -> list[float]:
    """Relevance of each token from the similarity of the text with and without it: 1 - |similarity|.

    Raises:
        BadInput: no token, a NaN, or a similarity outside [-1, 1].
    """
    return [1.0 - abs(g) for g in numbers("similarities", similarities, low=-1.0, high=1.0)]


def token_sar(logprobs: Sequence[float], relevance: Sequence[float]) -> float:
    """Relevance-weighted mean of -log p over a sample's tokens, in nats. A token of no relevance does not count.

    Raises:
        BadInput: no token, two lengths, a NaN, a positive log-probability, or a negative relevance.
    """
    logp = numbers("logprobs", logprobs, low=-math.inf, high=1e-6)
    weight = numbers("relevance", relevance, low=0.0)
    same_length("relevance", weight, len(logp))
    total = math.fsum(weight)
    if total == 0.0:
        weight, total = [1.0] * len(logp), float(len(logp))
    return math.fsum(-lp * w / total for lp, w in zip(logp, weight, strict=True) if w)


def sentence_sar(
    logprobs: Sequence[float], similarities: Sequence[Sequence[float]], t: float = TEMPERATURE
) -> list[float]:
    """E_S of each of K samples, from their log-probabilities and K rows of K similarities; their mean is the
    uncertainty. The diagonal is not read. A sample that is likely, or like likely ones, has a low value.

    Raises:
        BadInput: no sample, a table that is not K by K, a number out of range, or t not above 0.
    """
    logp = numbers("logprobs", logprobs, low=-math.inf, high=1e-6)
    g = table("similarities", similarities, low=0.0, high=1.0)
    same_length("similarities", g, len(logp))
    same_length("similarities, row 0", g[0], len(logp))
    if finite("t", t) <= 0.0:
        raise BadInput("t", f"{t} is not above 0")
    found = []
    for j, own in enumerate(logp):
        lent = [math.log(g[j][k]) - math.log(t) + lp for k, lp in enumerate(logp) if k != j and g[j][k] > 0.0]
        found.append(-log_sum_exp([own, *lent]))
    return found


def sar(
    logprobs: Sequence[Sequence[float]],
    relevance: Sequence[Sequence[float]],
    similarities: Sequence[Sequence[float]],
    t: float = TEMPERATURE,
) -> list[float]:
    """Both shifts: each sample's token log-probabilities and relevance, then similarities among samples.

    Raises:
        BadInput: as `token_sar` and `sentence_sar`.
    """
    same_length("relevance", relevance, len(logprobs))
    shifted = [-token_sar(logp, weight) for logp, weight in zip(logprobs, relevance, strict=True)]
    return sentence_sar(shifted, similarities, t)


def predictive_entropy(logprobs: Sequence[float]) -> float:
    """Mean of -log p over samples: what SAR is when nothing is more relevant than anything else.

    Raises:
        BadInput: no sample, a NaN or a positive log-probability.
    """
    logp = numbers("logprobs", logprobs, low=-math.inf, high=1e-6)
    return -math.fsum(logp) / len(logp) if min(logp) > -math.inf else math.inf
