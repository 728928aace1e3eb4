"""Soft best-of-n: draw n texts, choose one with a chance that grows with its reward.

Verdun et al., "Soft Best-of-n Sampling for Model Alignment", arXiv:2505.03156.

    n   candidates        r_i   their rewards        beta   temperature of the choice (the paper's lambda)

Law: number i of n independent draws with chance exp(r_i / beta) / sum_j exp(r_j / beta). beta = 0 is best-of-n, draw
for draw; beta to infinity is sampling; n to infinity is the tilted law p(y) exp(r(y) / beta) / Z, which is also what
the weights of the candidates are a self-normalised estimate of, and exp(log_evidence) an unbiased one of Z.
Departures: a candidate that the budget cut short is not chosen while there is another, and where it cut one, or did not
pay for the rewards, there are no weights and no evidence; where every reward is -inf all are alike.
"""

import math
from collections.abc import Sequence

from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.types import Ended, Prompt, Selection, best_of
from ramify.core.wants import Advance, Answers, Finish, Fork, Score, Search, Toss, Unpaid
from ramify.maths.particles import log_mean_exp, multinomial, normalised


def soft_best_of_n(prompt: Prompt, *, n: int = 16, beta: float = 0.25) -> Search[Selection]:
    """n branches to their ends, one final score each, one toss.

    Raises:
        BadInput: n below 1, or a negative beta.
    """
    whole("n", n, 1, 1 << 20)
    finite("beta", beta, 0.0)
    live = yield Fork(prompt, n)
    yield Advance(live, Finish())
    r = yield Score(live)
    answers = yield Answers(live)
    ended = tuple(Ended.of(branch, r[branch], answers[branch]) for branch in live)
    complete = [e for e in ended if e.stopped_because != "budget"]
    if beta == 0.0:
        return Selection(best_of(complete or ended), ended)
    logweights = [_logweight(e, beta) if e in complete or not complete else -math.inf for e in ended]
    weights = _normalised(logweights)
    draw = multinomial(weights, 1)
    u = yield Toss(prompt, (0,), draw.cuts[0])
    (chosen,) = draw.ancestors([u])
    if len(complete) < n or isinstance(r, Unpaid):
        return Selection(ended[chosen], ended)
    return Selection(ended[chosen], ended, weights=tuple(weights), log_evidence=log_mean_exp(logweights))


def _logweight(ended: Ended, beta: float) -> float:
    assert ended.score is not None
    return max(-1e300, min(1e300, ended.score / beta)) if ended.score > -math.inf else -math.inf


def _normalised(logweights: Sequence[float]) -> list[float]:
    if max(logweights) == -math.inf:
        return [1.0 / len(logweights)] * len(logweights)
    return normalised(logweights)


METHOD = Method(
    name="soft-best-of-n",
    run=soft_best_of_n,
    summary="draw n texts, choose by a softmax of their rewards",
    paper="arXiv:2505.03156",
    law="one of n independent draws, number i with chance ~ exp(r_i / beta); beta=0 is best-of-n",
    uses_reward=True,
    needs="a reward of whole texts",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method soft-best-of-n -n 8 --set beta=0.5',
)
