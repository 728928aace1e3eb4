"""Peer-ranked consensus: candidates judged two by two, ranked by a model of strength and of the judges' reputation.

Larin et al., "Fortytwo: Swarm Inference with Peer-Ranked Consensus", arXiv:2510.24801; Bradley and Terry, Biometrika
1952 (see `ramify.maths.pairwise`).

    n       candidates, K different texts among them       J       judges: models that are asked
    s_ij    what a judge says for i against j: the mean of P(first | i before j) and 1 - P(first | j before i)
    theta   log-strengths that best explain all s          w_J     weight by reputation

Target: the candidate of largest theta (the earliest of equals). n = 1 is plain sampling. P(first) is of the two choices
alone, p(first) / (p(first) + p(second)); asking both orders cancels what a judge gives to a place as such. A judge that
finds both choices impossible says 1/2.
Departures: reputations are of this question's judgements, there is no ledger across questions; equal texts are judged
once and share their strength; empty texts are not judged and lose. All K (K - 1) ordered pairs are asked.
"""

import math
from collections.abc import Sequence

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.strict import whole
from ramify.core.template import filled, listed, with_places
from ramify.core.types import Ended, Prompt, Selection, best_of
from ramify.core.wants import Advance, Answers, Ask, Finish, Fork, PromptText, Rephrase, Search, Texts
from ramify.maths.pairwise import Judgement, consensus

TEMPLATE = "{prompt}First:\n{first}\nSecond:\n{second}"
QUESTION, CHOICES = "\nWhich is right?", (" first", " second")
Judges = str | tuple[str, ...] | None


def pairwise_rank(
    prompt: Prompt,
    *,
    n: int = 6,
    judge: Judges = None,
    template: str = TEMPLATE,
    question: str = QUESTION,
    choices: tuple[str, str] = CHOICES,
) -> Search[Selection]:
    """n branches to their ends, every pair of different texts judged in both orders by every judge.

    `judge` is a model, or several; None is the target itself.

    Raises:
        BadInput: n below 1, a template without its places, or other than two choices.
    """
    whole("n", n, 1, 1024)
    with_places("template", template, "first", "second")
    if len(listed("choices", choices, least=2)) != 2:
        raise BadInput("choices", f"two are expected, not {len(choices)}")
    judges = judge if isinstance(judge, list | tuple) else (judge,)
    live = yield Fork(prompt, n)
    yield Advance(live, Finish())
    answers = yield Answers(live)
    texts = yield Texts(live)
    different = [text for text in dict.fromkeys(texts[branch] for branch in live) if text]
    said = yield from _judged(prompt, different, judges, template, question, choices)
    theta = consensus(said, max(1, len(different)))
    strength = dict(zip(different, theta.strength, strict=False))
    ended = tuple(Ended.of(b, strength.get(texts[b], -math.inf), answers[b]) for b in live)
    rounds = tuple({"judge": name, "reputation": rho} for name, rho in zip(judges, theta.reputation, strict=False))
    return Selection(best_of(ended), ended, rounds)


def _judged(
    prompt: Prompt,
    texts: Sequence[str],
    judges: Sequence[str | None],
    template: str,
    question: str,
    choices: Sequence[str],
) -> Search[list[Judgement]]:
    pairs = [(i, j) for i in range(len(texts)) for j in range(i + 1, len(texts))]
    if not pairs:
        return []
    stem = yield PromptText(prompt)
    shown = [
        filled(template, prompt=stem, first=texts[a], second=texts[b]) for i, j in pairs for a, b in [(i, j), (j, i)]
    ]
    comparisons = yield Rephrase(prompt, shown)
    said = list[Judgement]()
    for number, judge in enumerate(judges):
        logprobs = yield Ask(comparisons, question, choices, judge)
        first = [_first(*pair) for pair in logprobs]
        means = [(first[2 * k] + 1.0 - first[2 * k + 1]) / 2.0 for k in range(len(pairs))]
        said += [Judgement(number, i, j, s) for (i, j), s in zip(pairs, means, strict=True)]
    return said


def _first(first: float, second: float) -> float:
    """p(first) / (p(first) + p(second)) from their logarithms."""
    if first == second:
        return 0.5
    return 0.5 * (1.0 + math.tanh((first - second) / 2.0))


METHOD = Method(
    name="pairwise-rank",
    run=pairwise_rank,
    summary="judge n texts two by two, rank them by Bradley-Terry with the judges' reputations",
    paper="arXiv:2510.24801",
    law="the strongest of n independent draws, as the judges' comparisons say; n=1 is sampling",
    needs="a model that can say which of two texts is right",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method pairwise-rank -n 4',
    models=("judge",),
)
