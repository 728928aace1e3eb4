"""Best-of-n held back by minimum Bayes risk: the reward, plus how much the other candidates agree.

Jinnai et al., "Regularized Best-of-N Sampling with Minimum Bayes Risk Objective for Language Model Alignment",
arXiv:2404.01054 (MBR-BoN).

    n       candidates, which are each other's references too        r_i   their rewards
    u_ij    utility of i where j is right, in [0, 1]                 beta  what agreement is worth, in units of reward

Law: the maximiser of r_i + beta * mean_j u_ij among n independent draws (the earliest of equals). A text far from what
the model mostly says is one the reward may never have been tested on: agreement keeps near the model. beta = 0 is
best-of-n, draw for draw; beta to infinity is minimum Bayes risk, which for u = "same answer" is majority vote (a flat
reward makes it majority vote at any beta > 0, draw for draw).
Departure: the paper's utilities are BERTScore-like; here they are sameness of answers, or overlap of n-grams of tokens
or characters up to `order`.
"""

from ramify.core.errors import UnknownName
from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Finish, Fork, Score, Search, Texts
from ramify.maths.overlap import KINDS, similarities


def mbr_best_of_n(
    prompt: Prompt, *, n: int = 16, beta: float = 1.0, utility: str = "answer", order: int = 2
) -> Search[Selection]:
    """n branches to their ends, one final score each, every pair compared.

    Raises:
        UnknownName: no such utility. BadInput: n below 1, a negative beta, or an order out of range.
    """
    whole("n", n, 1, 1 << 20)
    finite("beta", beta, 0.0)
    whole("order", order, 1, 64)
    if utility not in KINDS:
        raise UnknownName("utility", utility, KINDS)
    live = yield Fork(prompt, n)
    yield Advance(live, Finish())
    r = yield Score(live)
    a = yield Answers(live)
    texts = yield Texts(live)
    u = similarities(utility, [a[b] for b in live], [b.generated for b in live], [texts[b] for b in live], order)
    agreement = [sum(row) / n for row in u]
    value = [r[branch] + beta * mean for branch, mean in zip(live, agreement, strict=True)]
    ended = tuple(Ended.of(branch, r[branch], a[branch]) for branch in live)
    rounds = tuple({"agreement": mean, "value": v} for mean, v in zip(agreement, value, strict=True))
    return Selection(ended[value.index(max(value))], ended, rounds)


METHOD = Method(
    name="mbr-best-of-n",
    run=mbr_best_of_n,
    summary="best-of-n by reward plus mean agreement with the other candidates (minimum Bayes risk)",
    paper="arXiv:2404.01054",
    law="the maximiser of r_i + beta * mean_j u_ij among n independent draws; beta=0 is best-of-n",
    uses_reward=True,
    needs="a reward of whole texts",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method mbr-best-of-n -n 8 --set beta=2 --set utility=token',
)
