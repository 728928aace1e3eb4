"""Particle filtering: n texts grow step by step; those with good partial scores multiply, others die.

Puri et al., "A Probabilistic Inference Approach to Inference-Time Scaling of LLMs using Particle-Based Monte Carlo
Methods", arXiv:2502.01618.

    x_i   particles, n of them       r_t   score of a text after step t, r_0 = 0
    w_i   weights                    a_j   ancestor of particle j
    Z     sum over texts y of p(y) exp(r(y) / beta), the evidence

Law: the weighted particles are properly weighted, for every n, scheme, threshold and granularity:
E[exp(log_evidence) * sum_i w_i f(x_i)] = sum_y p(y) exp(r(y) / beta) f(y) for every f; with f = 1, the evidence is
unbiased. p is the model's law under the prompt's sampling. Partial scores shape the way there, not the target: weights
exp((r_t - r_t-1) / beta) telescope.
Flat rewards or n=1 are plain sampling. ess_threshold=0 never resamples: importance sampling, whose draw (choose=sample)
is soft best-of-n, in the limit of many the tilted law. ess_threshold=1 resamples whenever weights differ, as the paper
does. A finished particle keeps its weight and stays in the resampling.
Departures: the paper weights a step by its absolute score, as if each were one more observation; here scores
telescope, so that the target is the same at every granularity. Resampling waits for ess_threshold.
"""

from typing import Any

from ramify.core.errors import BadInput, UnknownName
from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Fork, Score, Search
from ramify.maths.particles import SCHEMES, effective_sample_size, log_mean_exp, normalised
from ramify.maths.posterior import checked_choice, chosen
from ramify.maths.smc import Particle, ancestors, is_extinct, is_uneven, multiplied, steps_by, was_cut

RESAMPLE, CHOOSE = 0, 1  # what is tossed for


def particle_filter(
    prompt: Prompt,
    *,
    n: int = 16,
    beta: float = 1.0,
    ess_threshold: float = 0.5,
    scheme: str = "systematic",
    granularity: str = "step",
    marker: str = "\n",
    block: int = 16,
    choose: str = "vote",
) -> Search[Selection]:
    """Advance everybody a step, weight, resample where few are effective, until all have ended.

    Args:
        beta: temperature of the reward, above 0.
        ess_threshold: resample when the effective sample size is below this share of n; 0 is never.
        scheme: "multinomial", "stratified", "systematic" or "residual".
        granularity: a step is a line ("step": up to `marker`), `block` tokens ("block") or one ("token").
        choose: "vote" (the answer of most weight), "sample" (a draw from the posterior) or "best" (highest score).
    """
    until, choose = steps_by(granularity, marker, block), checked_choice(choose)
    if not isinstance(scheme, str) or scheme not in SCHEMES:
        raise UnknownName("scheme", scheme, SCHEMES)
    if finite("beta", beta, 0.0) == 0.0:
        raise BadInput("beta", "it divides rewards; it must be above 0")
    finite("ess_threshold", ess_threshold, 0.0, 1.0)
    x = [Particle(branch) for branch in (yield Fork(prompt, whole("n", n, 1, 1 << 24)))]
    logw, log_evidence, rounds = [0.0] * n, 0.0, list[dict[str, Any]]()
    while live := [p for p in x if p.live]:
        yield Advance([p.branch for p in live], until)
        r = yield Score([p.branch for p in live])
        for p in live:
            p.note(r)
        logw = [p.logweight(beta) for p in x]
        if was_cut(x) or is_extinct(logw):
            break
        resampling = any(p.live for p in x) and is_uneven(logw, ess_threshold)
        rounds.append({"live": len(live), "ess": effective_sample_size(logw), "resampled": resampling})
        if resampling:
            log_evidence += log_mean_exp(logw)
            plan = SCHEMES[scheme](normalised(logw), n)
            a = yield from ancestors(prompt, (RESAMPLE, len(rounds)), plan)
            x = yield from multiplied(x, a)
            logw = [0.0] * n
    return (yield from _selection(prompt, x, logw, log_evidence, choose, rounds))


def _selection(
    prompt: Prompt, x: list[Particle], logw: list[float], log_evidence: float, choose: str, rounds: list[dict[str, Any]]
) -> Search[Selection]:
    answers = yield Answers([p.branch for p in x])
    ended = tuple(Ended.of(p.branch, p.score, answers[p.branch]) for p in x)
    sound = not was_cut(x)
    weights = tuple(normalised(logw)) if sound and not is_extinct(logw) else None
    evidence = log_evidence + log_mean_exp(logw) if sound else None
    best = yield from chosen(prompt, ended, weights, choose, (CHOOSE,))
    return Selection(best, ended, tuple(rounds), weights, evidence)


METHOD = Method(
    name="particle-filter",
    run=particle_filter,
    summary="n texts step by step; good partial scores multiply, the weights are a posterior",
    paper="arXiv:2502.01618",
    law="properly weighted for p(y) exp(r(y)/beta); the evidence is unbiased",
    uses_reward=True,
    needs="a reward of partial texts (a process reward)",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method particle-filter --reward builtin-prm -n 8',
)
