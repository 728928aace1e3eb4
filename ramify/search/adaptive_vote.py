"""Adaptive consistency: draw and vote until the leading answer is sure enough.

Aggarwal et al., "Let's Sample Step by Step: Adaptive-Consistency for Efficient Reasoning and Coding with LLMs", EMNLP
2023, arXiv:2305.11860.

    n            most draws            v_1 >= v_2   votes of the leading answers so far
    confidence   C: stop when P(p_1 > p_2 | v) >= C, by the paper's Beta rule or its Dirichlet rule
    batch        draws between two looks

Law: the first text of the plurality's answer among the first m of n independent draws, m the first multiple of `batch`
(or n) at which the rule stops. Draws are those of one fork: draw i is the same whenever it is made. A vote that no draw
still to come can change stops too, so confidence = 1 chooses as majority vote does, draw for draw, with no more draws
than that takes. batch = n is majority vote with all its candidates.
Departure: the paper draws one at a time (batch = 1); several at once share the engine's steps.
"""

from ramify.core.errors import UnknownName
from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Finish, Fork, Search
from ramify.maths.adaptive import RULES, stops
from ramify.maths.votes import plurality, votes


def adaptive_vote(
    prompt: Prompt, *, n: int = 40, confidence: float = 0.95, rule: str = "beta", batch: int = 4
) -> Search[Selection]:
    """Rounds of `batch` branches to their ends, a look at the votes behind each.

    Raises:
        UnknownName: no such rule. BadInput: n or batch below 1, or a confidence outside [1/2, 1].
    """
    whole("n", n, 1, 1 << 20)
    whole("batch", batch, 1, 1 << 20)
    finite("confidence", confidence, 0.5, 1.0)
    if rule not in RULES:
        raise UnknownName("rule", rule, RULES)
    ended: list[Ended] = []
    rounds: list[dict[str, int]] = []
    while True:
        live = yield Fork(prompt, min(batch, n - len(ended)))
        yield Advance(live, Finish())
        a = yield Answers(live)
        ended += [Ended.of(branch, None, a[branch]) for branch in live]
        v = sorted(votes([e.answer for e in ended]).values(), reverse=True)
        rounds.append({"draws": len(ended), "first": v[0] if v else 0, "second": v[1] if len(v) > 1 else 0})
        spent = any(branch.finish == "budget" for branch in live)
        if spent or stops(v, n - len(ended), confidence=confidence, rule=rule):
            break
    return Selection(ended[plurality([e.answer for e in ended])], tuple(ended), tuple(rounds))


METHOD = Method(
    name="adaptive-vote",
    run=adaptive_vote,
    summary="draw and vote until the leading answer is sure enough (adaptive consistency)",
    paper="arXiv:2305.11860",
    law="the most frequent answer among the first m of n draws, m chosen by the votes; confidence=1 is majority vote",
    needs="answers that can be read off the texts",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method adaptive-vote -n 40 --set confidence=0.9',
)
