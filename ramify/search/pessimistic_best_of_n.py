"""Pessimistic best-of-n: rejection sampling towards the chi-squared-regularised optimum.

Huang et al., "Is Best-of-N the Best of Them? Coverage, Scaling, and Optimality in Inference-Time Alignment",
arXiv:2503.21878 (InferenceTimePessimism).

    N        draws (n)         beta     price of a unit of chi-squared divergence from the model
    r_i      their rewards     lambda   normaliser:  1/N sum_i relu((r_i - lambda) / beta) = 1
    w_i      relu((r_i - lambda) / beta), the weight of draw i        M   a bound on the weights

Law: the first draw that is accepted, draw i with chance min(1, w_i / M). The optimum that maximises
E r - beta chi2 / 2 is p(y) w(y): unlike a softmax's, its weights grow with the reward no faster than linearly and are 0
below lambda, so more draws do not mean more of what the reward is wrong about. beta to infinity is sampling. Without
`r_max`, n = 1 is sampling and beta = 0 is best-of-n, draw for draw.
Departures: the N draws that lambda is computed from are also those that are accepted or rejected. Where `r_max`, the
largest reward there can be, is not given, M is the largest weight drawn, and somebody is always accepted; where it is
given, M = (r_max - lambda) / beta, and if nobody is accepted one more text is drawn and taken, as in the paper (at
beta = 0, and r_max above every draw, that is plain sampling). Draws that the budget cut short are not accepted while
there are others.
"""

import math
from collections.abc import Sequence

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Finish, Fork, Score, Search, Toss


def pessimistic_best_of_n(
    prompt: Prompt, *, n: int = 16, beta: float = 0.5, r_max: float | None = None
) -> Search[Selection]:
    """n branches to their ends, one final score and at most one toss each.

    Raises:
        BadInput: n below 1, a negative beta, or a reward above r_max.
    """
    whole("n", n, 1, 1 << 20)
    finite("beta", beta, 0.0)
    if r_max is not None:
        finite("r_max", r_max)
    ended = yield from _drawn(prompt, n)
    complete = [e for e in ended if e.stopped_because != "budget"] or list(ended)
    scores = [-math.inf if e.score is None else e.score for e in complete]
    lambda_, accept = acceptance(scores, beta, r_max)
    trace = ({"lambda": lambda_},)
    for i, (e, chance) in enumerate(zip(complete, accept, strict=True)):
        u = yield Toss(prompt, (i,), (chance,))
        if u < chance:
            return Selection(e, tuple(ended), trace)
    if any(e.stopped_because == "budget" for e in ended):
        return Selection(complete[-1], tuple(ended), trace)
    (last,) = yield from _drawn(prompt, 1)
    return Selection(complete[-1] if last.stopped_because == "budget" else last, (*ended, last), trace)


def acceptance(r: Sequence[float], beta: float, r_max: float | None = None) -> tuple[float, list[float]]:
    """lambda, and the chance that each of these draws is accepted when it is its turn.

    Raises:
        BadInput: a reward above r_max.
    """
    top = max(r)
    if r_max is not None and top > r_max:
        raise BadInput("r_max", f"a draw has reward {top:g}, more than {r_max:g}; raise it, or leave it out")
    if top == -math.inf:
        return -math.inf, [1.0] * len(r)
    lambda_ = normaliser(r, beta)
    most = top if r_max is None else r_max
    if most == lambda_:  # beta = 0: all of the weight is at the top
        return lambda_, [float(score == top) for score in r]
    return lambda_, [min(1.0, max(0.0, score - lambda_) / (most - lambda_)) for score in r]


def normaliser(r: Sequence[float], beta: float) -> float:
    """lambda with mean relu((r_i - lambda) / beta) = 1: of ascending pieces, the one that holds the solution."""
    total, ranked = 0.0, sorted((score for score in r if score > -math.inf), reverse=True)
    for k, score in enumerate(ranked, 1):
        total += score
        lambda_ = (total - len(r) * beta) / k
        if k == len(ranked) or lambda_ >= ranked[k]:
            break
    return lambda_


def _drawn(prompt: Prompt, n: int) -> Search[list[Ended]]:
    live = yield Fork(prompt, n)
    yield Advance(live, Finish())
    r = yield Score(live)
    answers = yield Answers(live)
    return [Ended.of(branch, r[branch], answers[branch]) for branch in live]


METHOD = Method(
    name="pessimistic-best-of-n",
    run=pessimistic_best_of_n,
    summary="accept one of n draws with chance ~ relu(reward - lambda): chi-squared pessimism",
    paper="arXiv:2503.21878",
    law="the first of n draws accepted with chance relu((r - lambda) / beta) / M; beta=0 without r_max is best-of-n",
    uses_reward=True,
    needs="a reward of whole texts",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method pessimistic-best-of-n -n 8 --set beta=0.2',
)
