"""QAlign: a Markov chain over texts whose law tends to the reward-tilted one, however imperfect the reward.

Faria and Smith, "Sample, Don't Search: Rethinking Test-Time Alignment for Language Models", arXiv:2504.03790.

    y   a chain's text     y'  proposed: y up to a uniform position, drawn on anew from there
    r   reward             beta  its temperature

Target: p(y) exp(r(y) / beta), p the law of texts under the prompt's sampling, cuts like top-k included. A proposal is
accepted with min(1, exp((r(y') - r(y)) / beta) |y| / |y'|): the suffixes' probabilities cancel, the numbers of
positions to cut at stay. Law: detailed balance with the target, so it is invariant under a step, and the chain's law
tends to it; what a chain starts from is plain sampling. Flat rewards have p as their target, so every state is a plain
sample. steps=0 is plain sampling, scored.
`weights` are the shares of the time that the chains stood at each text, the first `burn_in` states of each left out;
candidates of weight 0 are proposals that were not accepted. A proposal that the budget cut short, or whose
reward it does not pay for, is none: the run ends.
"""

from dataclasses import replace
from math import inf
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Finish, Fork, Score, Search, Unpaid
from ramify.maths.metropolis import Visits, accepted, checked_steps, cut_back, log_fewer_cuts, moved
from ramify.maths.posterior import checked_choice, chosen, log_tilt

CUT, ACCEPT, CHOOSE = 0, 1, 2  # what is tossed for


def qalign(
    prompt: Prompt, *, steps: int = 16, chains: int = 4, beta: float = 1.0, burn_in: int = 0, choose: str = "vote"
) -> Search[Selection]:
    """Chains side by side; in each step every chain proposes a text and accepts or stays.

    Args:
        steps: proposals of each chain.
        beta: temperature of the reward, above 0.
        burn_in: first states of each chain that do not count; steps leaves the last states only.
        choose: "vote" (the answer of most weight), "sample" (a draw from the posterior) or "best" (highest score).
    """
    checked_steps(steps, burn_in)
    checked_choice(choose)
    if finite("beta", beta, 0.0) == 0.0:
        raise BadInput("beta", "it divides rewards; it must be above 0")
    y = yield Fork(replace(prompt, bookmarks=True), whole("chains", chains, 1, 1 << 16))
    yield Advance(y, Finish())
    r = yield Score(y)
    made, visits, rounds = list(y), Visits(burn_in), list[dict[str, Any]]()
    if not isinstance(r, Unpaid) and not any(text.finish == "budget" for text in y):
        visits.count(0, [text for text in y if r[text] > -inf])
        for t in range(1, steps + 1):
            new = yield from cut_back(prompt, (CUT, t), y)
            yield Advance(new, Finish())
            if any(text.finish == "budget" for text in new):
                break
            scored = yield Score(new)
            r |= scored
            made += new
            if isinstance(scored, Unpaid):
                break
            accepts = []
            for i, (text, other) in enumerate(zip(y, new, strict=True)):
                log_ratio = log_tilt(r[other] - r[text], beta) + log_fewer_cuts(text, other)
                accepts.append((yield from accepted(prompt, (ACCEPT, t, i), log_ratio)))
            y = yield from moved(y, new, accepts)
            visits.count(t, [text for text in y if r[text] > -inf])
            rounds.append({"accepted": sum(accepts), "reward": sum(r[text] for text in y) / chains})
    answers = yield Answers(made)
    ended = tuple(Ended.of(text, r[text], answers[text]) for text in made)
    weights = visits.weights(made)
    best = yield from chosen(prompt, ended, weights, choose, (CHOOSE,))
    return Selection(best, ended, tuple(rounds), weights)


METHOD = Method(
    name="qalign",
    run=qalign,
    summary="Markov chains that draw suffixes anew, towards the reward-tilted law",
    paper="arXiv:2504.03790",
    law="p(y) exp(r(y)/beta) is invariant under a step (detailed balance)",
    uses_reward=True,
    needs="a reward of whole texts",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method qalign --set steps=8 --set chains=4 --set beta=0.5',
    size="steps",
)
