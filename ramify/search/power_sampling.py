"""Power sampling: texts from p(y)^alpha, the model's own law sharpened as a whole, by a Markov chain. No reward.

Karan and Du, "Reasoning with Sampling: Your Base Model is Smarter Than You Think", arXiv:2510.14901.

    p   the model's law of texts     q  what suffixes are drawn from, p at another temperature (1 / alpha)
    B   tokens of a block            x  a chain's text, x' proposed: x up to a uniform position, drawn on anew by q

Texts grow by blocks. Stage k has the target p^alpha over texts of at most (k+1) B tokens (whole ones, or beginnings of
that length): a block is drawn by q, then `steps` moves are made, each accepted with
min(1, [p(x') / p(x)]^alpha q(x | x') / q(x' | x) |x| / |x'|), the ratios of the suffixes alone. Law: each move is in
detailed balance with its stage's target; the last stage's is p(y)^alpha over whole texts, so that is invariant, and the
chain's law tends to it. block=0 has the last stage only: the plain chain over whole texts.
alpha=1 with proposal=1 has p as its target: every state is a plain sample, and where texts have one length every
proposal is accepted. `weights` are the shares of the time that chains stood at each text in their last stage; burn_in =
steps leaves the last state of each, the paper's answer. A candidate's score is log p(y).
p is the model's law as it is: the prompt's temperature does not matter (`proposal` is that of q), and what else would
change a law is refused: cuts like top-k make texts that p has impossible to propose, penalties and biases would shape
proposals but not the target.
Departures: the paper's texts have one length; |x| / |x'| is what another length comes to. A text that ends in an early
stage goes on to the last one. A proposal that the budget cut short is none: the run ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ramify.core.errors import Incompatible
from ramify.core.protocols import Method
from ramify.core.sampling import Sampling
from ramify.core.strict import finite, whole
from ramify.core.types import Branch, Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Fork, Search, Tokens
from ramify.maths.metropolis import Visits, accepted, checked_steps, cut_back, log_fewer_cuts, moved
from ramify.maths.posterior import checked_choice, chosen

CUT, ACCEPT, CHOOSE = 0, 1, 2  # what is tossed for
REACH = "the chain could not reach every text that the target has. Leave it out; alpha is what sharpens."
SHAPE = "it would shape proposals, but not the target, the model's own law to the power of alpha. Leave it out."
REFUSED = {
    **dict.fromkeys(("top_k", "top_p", "min_p", "bad_words"), REACH),
    **dict.fromkeys(("repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias"), SHAPE),
}


@dataclass
class Trace:
    """What was made in last stages, where chains stood there, and the stages' acceptances."""

    visits: Visits
    made: list[Branch] = field(default_factory=list)
    rounds: list[dict[str, Any]] = field(default_factory=list)


def power_sampling(
    prompt: Prompt,
    *,
    alpha: float = 4.0,
    steps: int = 10,
    block: int = 32,
    chains: int = 4,
    proposal: float | None = None,
    burn_in: int = 0,
    choose: str = "vote",
) -> Search[Selection]:
    """Grow by a block, move `steps` times, until the text is whole; chains side by side.

    Args:
        alpha: the power, at least 1e-3; 1 is the model's law.
        steps: moves in each stage, of each chain.
        block: tokens that a stage adds; 0 draws the whole text at once (the plain chain).
        proposal: temperature of proposals; None is 1 / alpha.
        burn_in: first states of each chain's last stage that do not count.
        choose: "vote" (the answer of most weight), "sample" (a draw from the posterior) or "best" (highest p).

    Raises:
        Incompatible: the prompt's sampling cuts or reweights laws.
    """
    _refuse(prompt.sampling)
    checked_steps(steps, burn_in)
    checked_choice(choose)
    whole("block", block, 0, 1 << 20)
    temperature = 1.0 / finite("alpha", alpha, 1e-3, 1e3)
    if proposal is not None:
        temperature = finite("proposal", proposal, 1e-3, 100.0)
    source = replace(prompt.at_temperature(temperature), bookmarks=True).with_logprobs("both")
    x, stage, trace = (yield Fork(source, whole("chains", chains, 1, 1 << 16))), 0, Trace(Visits(burn_in))
    growing = list(range(chains))
    while growing:
        some = [x[i] for i in growing]
        goals = [_goal(text, block) for text in some]
        uncut, some = yield from _stage(prompt, alpha, steps, stage, some, goals, trace)
        x = [some[growing.index(i)] if i in growing else text for i, text in enumerate(x)]
        growing = [i for i, goal in zip(growing, goals, strict=True) if uncut and goal < x[i].max_length]
        stage += 1
    return (yield from _selection(prompt, x, trace, choose))


def _goal(text: Branch, block: int) -> int:
    """The most tokens of a stage: a block more than the last, or as many as the text may have."""
    return text.max_length if text.done or not block else min(text.max_length, len(text.tokens) + block)


def _stage(
    prompt: Prompt, alpha: float, steps: int, stage: int, x: list[Branch], goals: Sequence[int], trace: Trace
) -> Search[tuple[bool, list[Branch]]]:
    """Draw up to the goals, then move. Returns whether the budget lasted, and where the chains stand."""
    last = [goal == text.max_length for text, goal in zip(x, goals, strict=True)]
    if not (yield from _reach(x, goals)):
        return False, x
    trace.made += [text for text, whole_text in zip(x, last, strict=True) if whole_text]
    trace.visits.count(0, [text for text, whole_text in zip(x, last, strict=True) if whole_text])
    for t in range(1, steps + 1):
        new = yield from cut_back(prompt, (CUT, stage, t), x)
        kept = [len(text.tokens) for text in new]
        if not (yield from _reach(new, goals)):
            return False, x
        trace.made += [text for text, whole_text in zip(new, last, strict=True) if whole_text]
        accepts = []
        for i, (text, other, c) in enumerate(zip(x, new, kept, strict=True)):
            log_ratio = _log_excess(other, c, alpha) - _log_excess(text, c, alpha) + log_fewer_cuts(text, other)
            accepts.append((yield from accepted(prompt, (ACCEPT, stage, t, i), log_ratio)))
        x = yield from moved(x, new, accepts)
        trace.visits.count(t, [text for text, whole_text in zip(x, last, strict=True) if whole_text])
        trace.rounds.append({"stage": stage, "chains": len(x), "accepted": sum(accepts)})
    return True, x


def _reach(texts: Sequence[Branch], goals: Sequence[int]) -> Search[bool]:
    """Advance each to its goal or its end, all together as far as they go together; False where the budget ended."""
    while left := {b: goal - len(b.tokens) for b, goal in zip(texts, goals, strict=True) if not b.done}:
        growing = [b for b, count in left.items() if count > 0]
        if not growing:
            break
        yield Advance(growing, Tokens(min(left[b] for b in growing)))
    return all(b.finish != "budget" for b in texts)


def _log_excess(text: Branch, kept: int, alpha: float) -> float:
    """log p^alpha / q of what stands behind the first `kept` tokens."""
    total = 0.0
    for token in text.logprobs[kept - text.num_prompt :]:
        assert token.drawn is not None
        total += alpha * token.logprob - token.drawn
    return total


def _selection(prompt: Prompt, x: list[Branch], trace: Trace, choose: str) -> Search[Selection]:
    weights = trace.visits.weights(trace.made)
    made = trace.made + [text for text in x if text not in trace.made]
    if weights is not None:
        weights += (0.0,) * (len(made) - len(trace.made))
    answers = yield Answers(made)
    ended = tuple(Ended.of(text, sum(token.logprob for token in text.logprobs), answers[text]) for text in made)
    best = yield from chosen(prompt, ended, weights, choose, (CHOOSE,))
    return Selection(best, ended, tuple(trace.rounds), weights)


def _refuse(sampling: Sampling) -> None:
    plain = Sampling()
    for name, why in REFUSED.items():
        if getattr(sampling, name) != getattr(plain, name):
            raise Incompatible("power-sampling", f"{name}={getattr(sampling, name)!r}", why)


METHOD = Method(
    name="power-sampling",
    run=power_sampling,
    summary="Markov chains towards p(y)^alpha, the model's own law sharpened as a whole",
    paper="arXiv:2510.14901",
    law="p(y)^alpha is invariant under a move of the last stage (detailed balance)",
    needs="no cuts, penalties or biases in the sampling",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method power-sampling --set steps=4 --set block=16',
    size="steps",
)
