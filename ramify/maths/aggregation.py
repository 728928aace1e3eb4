"""Aggregators over batched log-likelihoods: think by queries side by side, then sum outside the model.

Ozturkler et al., "ThinkSum: Probabilistic reasoning over sets using large language models", arXiv:2210.01293.

    C candidates     F facts (prompts, set elements): log p(f | c)     H hidden choices, of log-prior p(h)

    product   sum_f log p(f | c)                       all of the facts hold
    mixture   log mean_f p(f | c)                      any of them does (weights where given)
    ratio     log p(f | c) - log p(f)                  how much more likely than without the candidate
    latent    log sum_h p(h) prod_f p(f | h, c)        all hold under one hidden choice, whichever it is

A table has one row of C numbers a fact. One fact makes product and mixture the fact itself; one hidden choice makes
latent the product.
"""

import math
from collections.abc import Sequence

from ramify.core.errors import BadInput
from ramify.maths.checks import HUGE, distribution, log_sum_exp, numbers, same_length, table

Table = Sequence[Sequence[float]]


def product(loglik_FC: Table) -> list[float]:
    """Sum over facts, a number for each candidate.

    Raises:
        BadInput: no fact, no candidate, rows of unequal lengths, a NaN or +inf.
    """
    rows = table("loglik", loglik_FC, low=-math.inf)
    return [_sum(column) for column in zip(*rows, strict=True)]


def mixture(loglik_FC: Table, weights: Sequence[float] | None = None) -> list[float]:
    """log of the weighted mean over facts; equal weights unless some are given.

    Raises:
        BadInput: as `product`; weights that are no law over the facts.
    """
    rows = table("loglik", loglik_FC, low=-math.inf)
    if weights is None:
        logw = [-math.log(len(rows))] * len(rows)
    else:
        same_length("weights", weights, len(rows))
        logw = [math.log(w) if w else -math.inf for w in distribution("weights", weights)]
    return [log_sum_exp([w + x for w, x in zip(logw, column, strict=True)]) for column in zip(*rows, strict=True)]


def ratio(loglik_FC: Table, baseline_F: Sequence[float]) -> list[float]:
    """Sum over facts of log p(f | c) - log p(f): evidence for each candidate, by Bayes the change of its log-odds.

    Raises:
        BadInput: as `product`; a baseline that is not finite (what never happens has no ratio).
    """
    rows = table("loglik", loglik_FC, low=-math.inf)
    same_length("baseline", baseline_F, len(rows))
    base = numbers("baseline", baseline_F, low=-HUGE)
    return product([[x - b for x in row] for row, b in zip(rows, base, strict=True)])


def latent(loglik_HFC: Sequence[Table], logprior_H: Sequence[float]) -> list[float]:
    """The hidden choice summed out; the prior is normalised first.

    Raises:
        BadInput: as `product` for each choice, tables of unequal shape, or a prior that is -inf throughout.
    """
    rows = _joint(loglik_HFC, logprior_H)
    return [log_sum_exp(column) for column in zip(*rows, strict=True)]


def hidden_posterior(loglik_HFC: Sequence[Table], logprior_H: Sequence[float], candidate: int) -> list[float]:
    """p(h | facts, candidate): which hidden choice explains them, a law over H.

    Raises:
        BadInput: as `latent`; no such candidate, or one that no choice explains.
    """
    rows = _joint(loglik_HFC, logprior_H)
    if not 0 <= candidate < len(rows[0]):
        raise BadInput("candidate", f"{candidate} is outside 0 to {len(rows[0]) - 1}")
    return posterior([row[candidate] for row in rows])


def posterior(scores_C: Sequence[float]) -> list[float]:
    """A law over candidates from their log scores.

    Raises:
        BadInput: no candidate, a NaN or +inf, or every score -inf.
    """
    scores = numbers("scores", scores_C, low=-math.inf)
    total = log_sum_exp(scores)
    if total == -math.inf:
        raise BadInput("scores", f"all {len(scores)} are -inf: no candidate is possible")
    return [math.exp(score - total) for score in scores]


def _joint(loglik_HFC: Sequence[Table], logprior_H: Sequence[float]) -> list[list[float]]:
    """log p(h) + log prod_f p(f | h, c), a row for each hidden choice."""
    prior = numbers("logprior", logprior_H, low=-math.inf)
    same_length("loglik", loglik_HFC, len(prior))
    total = log_sum_exp(prior)
    if total == -math.inf:
        raise BadInput("logprior", "-inf throughout: no hidden choice is possible")
    for h, loglik_FC in enumerate(loglik_HFC):
        same_length(f"loglik, hidden choice {h}", loglik_FC, len(loglik_HFC[0]))
    rows = [[p - total + x for x in product(loglik_FC)] for p, loglik_FC in zip(prior, loglik_HFC, strict=True)]
    return table("loglik, over hidden choices", rows, low=-math.inf)


def _sum(values: Sequence[float]) -> float:
    return -math.inf if min(values) == -math.inf else math.fsum(values)
