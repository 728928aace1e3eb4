"""Rejection sampling by segments: propose a segment, accept it by its reward, go on from there.

Li et al., "Cascade Reward Sampling for Efficient Decoding-Time Alignment" (CARDS), arXiv:2406.16306.

    H    entropy of a token's law          tau (threshold)   entropy that ends a segment
    r    reward of the text so far         r* (goal)         what a text should have in the end
    r_0 (start)   what it should have to begin with          beta   softness

A segment goes on until a token was drawn from a law of entropy tau or more (natural logarithm; of the model's own law,
its 20 likeliest tokens, the rest counted as one more), or for `tokens` tokens. tau above every entropy is segments of
fixed length. A segment is accepted with probability min(1, exp((r - r(t)) / beta)), where r(t) rises from r_0 to r* in
a straight line over the tokens that a text may have. Rejected segments are drawn anew from where they began.
Law: given its prefix, a segment s has the law p(s) a(s) / sum p a, a its chance of acceptance, up to n: if none of n
proposals is accepted, the one of highest reward is (the earliest of equals). Each segment is normalised by itself, so
the text as a whole has not the law p(y) exp(r(y) / beta): prefixes that few good segments follow are too likely.
A goal that all reach, or n=1, is plain sampling, draw for draw.
Departures: the uncertain token ends its segment, in the paper it begins the next; `batch` proposals are drawn side by
side and the first that is accepted counts, which changes no law.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.steps import candidates, counts, multiplied, rewound
from ramify.core.strict import finite
from ramify.core.types import Branch, Prompt, Selection, TokenLogprob
from ramify.core.wants import Advance, Answers, Drop, Fork, Score, Search, Tokens, Toss

ALTERNATIVES = 20  # as many as sampling keeps


def segment_rejection(
    prompt: Prompt,
    *,
    n: int = 16,
    batch: int = 4,
    threshold: float = 0.7,
    tokens: int = 32,
    start: float = 0.0,
    goal: float = 2.0,
    beta: float = 0.5,
) -> Search[Selection]:
    """Propose, accept or reject, segment by segment.

    Args:
        n: most proposals for a segment. batch: how many of them are drawn at once.
        threshold: entropy that ends a segment, in nats. tokens: most tokens of one.
        start, goal: the reward expected at first and in the end, on the reward's own scale. beta: softness, above 0.
    Raises:
        BadInput: an option is out of its range.
    """
    counts(n=n, batch=batch, tokens=tokens)
    schedule = _Schedule(finite("start", start), finite("goal", goal), finite("beta", beta, 0.0))
    finite("threshold", threshold, 0.0)
    sampling = replace(prompt.with_logprobs("raw").sampling, logprobs=ALTERNATIVES)
    source = replace(prompt, sampling=sampling, bookmarks=True)
    [text] = yield Fork(source, 1)
    r, rounds = dict[Branch, float](), list[dict[str, Any]]()
    while not text.done:
        begin, tried = len(text.tokens), list[Branch]()
        accepted: Branch | None = None
        while accepted is None and len(tried) < n and not any(b.finish == "budget" for b in tried):
            size = min(batch, n - len(tried))
            live = yield from rewound(text, begin, size) if tried else multiplied([(text, size)])
            yield from _segment(live, begin + tokens, threshold)
            r |= yield Score(live)
            for i, branch in enumerate(live, len(tried)):
                a = schedule.acceptance(branch, r[branch])
                u = yield Toss(prompt, (begin, i), (a,))
                if u < a and branch.finish != "budget":
                    accepted = branch
                    break
            tried += live
        chosen = accepted or max(tried, key=r.__getitem__)
        rounds.append({"at": begin, "tried": len(tried), "accepted": accepted is not None, "score": r[chosen]})
        yield Drop([b for b in tried if b is not chosen])
        text = chosen
    answers = yield Answers(list(r))
    ended = candidates(r, answers)
    return Selection(next(e for e in ended if e.branch is text), ended, tuple(rounds))


@dataclass(frozen=True)
class _Schedule:
    start: float
    goal: float
    beta: float

    def __post_init__(self) -> None:
        if self.beta == 0.0:
            raise BadInput("beta", "it divides rewards; it must be above 0")

    def acceptance(self, branch: Branch, r: float) -> float:
        """min(1, exp((r - r(t)) / beta)) after t of the tokens that the text may have."""
        share = branch.num_generated / max(1, branch.max_length - branch.num_prompt)
        expected = self.start + (self.goal - self.start) * share
        return math.exp(min(0.0, (r - expected) / self.beta))


def _segment(live: Sequence[Branch], end: int, threshold: float) -> Search[None]:
    """Each of the proposals to the end of its segment."""
    while live := [b for b in live if not b.done and len(b.tokens) < end]:
        yield Advance(live, Tokens(1))
        live = [b for b in live if b.logprobs and entropy(b.logprobs[-1]) < threshold]


def entropy(token: TokenLogprob) -> float:
    """Of the law that a token was drawn from, in nats: a lower bound, what is not among its alternatives being one."""
    masses = [math.exp(logprob) for _, logprob in token.top]
    rest = max(0.0, 1.0 - sum(masses))
    return -sum(mass * math.log(mass) for mass in (*masses, rest) if mass > 0.0)


METHOD = Method(
    name="segment-rejection",
    run=segment_rejection,
    summary="rejection sampling segment by segment, against a rising bar (CARDS)",
    paper="arXiv:2406.16306",
    law="each segment p(s) a(s), normalised by itself, up to the limit of n proposals; n=1 is plain sampling",
    uses_reward=True,
    needs="a reward that scores partial texts; start, goal and beta are on its scale",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method segment-rejection --n 8 --reward builtin-prm',
)
