"""SpecReason: a small model writes each step, a judge accepts it or the target writes it again.

Pan et al., "SpecReason: Fast and Accurate Inference-Time Compute via Speculative Reasoning", arXiv:2504.07891.

    n           texts, side by side              small       who writes first (the paper's speculator)
    threshold   score that a step must reach     step, most  text that ends a step, and its most tokens

The score of a step is the run's reward of the text so far (with `gain`, how much it rose by the step; a text that has
not begun counts 0). The paper's judge is the target asked for a grade: a reward that asks (`Judged`) is that one.
Law: of a text of steps in which each is the small model's given that it is accepted, or else the target's own draw. A
rewritten step has randomness of its own, so it does not depend on how the small model's was rejected.
threshold=-inf is sampling from the small model, token for token; +inf is the target's law. Nothing is read twice.
Departure: the reward of a step that ended the text is its final score.
"""

from dataclasses import replace
from math import isnan
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Method, Select
from ramify.core.steps import concluded, counts, rewound
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Drop, Fork, Marker, Score, Search


def spec_reason(
    prompt: Prompt,
    *,
    n: int = 1,
    small: str = "builtin-draft",
    threshold: float = 0.0,
    gain: bool = False,
    step: str = "\n",
    most: int = 64,
    select: Select,
) -> Search[Selection]:
    """Draft a step, judge it, keep it or let the target write it.

    Raises:
        BadInput: n or most is below 1, the threshold is no number, or the step's end is empty.
    """
    counts(n=n, most=most)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or isnan(threshold):
        raise BadInput("threshold", f"{threshold!r} is not a number (infinities are)")
    end, rounds = Marker(step, most), list[dict[str, Any]]()
    live: list[Branch] = yield Fork(replace(prompt, bookmarks=True), n)
    before, final = dict.fromkeys(live, 0.0), dict[Branch, float]()
    while live:
        starts = {b: len(b.tokens) for b in live}
        yield Advance(live, end, by=small)
        s: dict[Branch, float] = yield Score(live)
        rejected = [b for b in live if s[b] - before[b] * gain < threshold and b.finish != "budget"]
        drafted = sum(len(b.tokens) - starts[b] for b in live)
        rounds.append({"steps": len(live), "accepted": len(live) - len(rejected), "drafted": drafted})

        rewritten = list[Branch]()
        for b in rejected:
            rewritten += yield from rewound(b, starts[b])
        yield Drop(rejected)
        yield Advance(rewritten, end)
        judged = [b for b in rewritten if gain or b.done]
        if judged:
            s |= yield Score(judged)
        kept = [*(b for b in live if b not in rejected), *rewritten]
        before = {b: s.get(b, 0.0) for b in kept}
        final |= {b: s[b] for b in kept if b.done}
        live = [b for b in kept if not b.done]
    return (yield from concluded(final, rounds, (), select))


METHOD = Method(
    name="spec-reason",
    run=spec_reason,
    summary="a small model writes steps, a judge keeps them or the target writes them again",
    paper="arXiv:2504.07891",
    law="steps of the small model where the reward accepts them, else the target's; threshold=inf is the target's law",
    uses_reward=True,
    select="best",
    needs="a reward that scores partial texts (the paper's: the target, asked), a small model of the target's tokens",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method spec-reason --reward builtin-prm --set threshold=0.5',
    models=("small",),
)
