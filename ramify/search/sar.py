"""Shifting attention to relevance: the candidate that the model is least uncertain of, where it matters.

Duan et al., "Shifting Attention to Relevance: Towards the Predictive Uncertainty Quantification of Free-Form Large
Language Models", arXiv:2307.01379 (the numbers are `ramify.maths.relevance`).

    n      candidates        R_i   relevance of token i: how much of the text's n-grams are gone without it
    g_jk   similarity of candidates j and k        t   how much similar candidates lend one another (larger is less)
    E_j    -log( exp(-token-SAR_j) + sum_k g_jk exp(-token-SAR_k) / t )

Target: the minimiser of E_j among n independent draws (the earliest of equals); the score of a candidate is -E_j, and
the mean of E_j, the question's uncertainty, is in the trace. n = 1 is plain sampling. relevance "equal" and t = 1e300
(nobody lends) is best-of-n by mean log-probability, draw for draw; similarity "answer" makes it a vote whose weights
are likelihoods.
Departure: relevance and similarity are overlaps of n-grams up to `order`, where the paper asks a cross-encoder.
Log-probabilities are the model's own, raw. A candidate without a token (the budget was spent) has no score.
"""

import math

from ramify.core.errors import BadInput, UnknownName
from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.types import Branch, Ended, Prompt, Selection, best_of
from ramify.core.wants import Advance, Answers, Finish, Fork, Search, Texts
from ramify.maths.overlap import KINDS, similarities, without_each
from ramify.maths.relevance import TEMPERATURE, sar, token_relevance

RELEVANCE = ("token", "equal")


def least_uncertain(
    prompt: Prompt,
    *,
    n: int = 8,
    relevance: str = "token",
    similarity: str = "token",
    order: int = 2,
    t: float = TEMPERATURE,
) -> Search[Selection]:
    """n branches to their ends; no reward, no further pass.

    Raises:
        UnknownName: no such relevance or similarity. BadInput: n below 1, an order out of range, or t not above 0.
    """
    whole("n", n, 1, 1 << 20)
    whole("order", order, 1, 64)
    if finite("t", t) <= 0.0:
        raise BadInput("t", f"{t} is not above 0; a large one lends nothing")
    for field, value, known in (("relevance", relevance, RELEVANCE), ("similarity", similarity, KINDS)):
        if value not in known:
            raise UnknownName(field, value, known)
    live = yield Fork(prompt.with_logprobs("raw"), n)
    yield Advance(live, Finish())
    a = yield Answers(live)
    texts = yield Texts(live)
    read = [branch for branch in live if branch.logprobs]
    uncertainty = dict[Branch, float]()
    if read:
        g = similarities(similarity, [a[b] for b in read], [b.generated for b in read], [texts[b] for b in read], order)
        logp = [[entry.logprob for entry in branch.logprobs] for branch in read]
        R = [_relevance(branch, relevance, order) for branch in read]
        uncertainty = dict(zip(read, sar(logp, R, g, t), strict=True))
    ended = tuple(Ended.of(b, -uncertainty[b] if b in uncertainty else None, a[b]) for b in live)
    mean = math.fsum(uncertainty.values()) / len(read) if read else 0.0
    return Selection(best_of(ended), ended, ({"uncertainty": mean, "read": len(read)},))


def _relevance(branch: Branch, kind: str, order: int) -> list[float]:
    if kind == "equal":
        return [1.0] * branch.num_generated
    return token_relevance(without_each(branch.generated, order))


METHOD = Method(
    name="sar",
    run=least_uncertain,
    summary="draw n texts, keep the one of least relevance-weighted uncertainty",
    paper="arXiv:2307.01379",
    law="the minimiser of sentence-SAR among n independent draws",
    needs="nothing but the model's own log-probabilities",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method sar -n 8 --set similarity=answer',
)
