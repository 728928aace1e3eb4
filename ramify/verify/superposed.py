"""What superposed decoding claims, on the toy, whose law is linear in a mixture: all drafts and scores in closed form.

The closed forms know texts and the toy's table only: a mixture is the mean over all texts that it may stand for. Each
proof returns the total variation between two laws, or the largest difference of numbers (1 where texts differ).
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ramify.core.sampling import Sampling
from ramify.engine.session import Session
from ramify.maths.ngram import NGram
from ramify.toy.enumerate import total_variation
from ramify.toy.model import END
from ramify.verify.toys import PROMPT, TARGET, Proof, Proofs, Text, law_of

LONG = Sampling(max_tokens=5)
ENDLESS = Sampling(max_tokens=4, ignore_eos=True)
Weighed = dict[Text, float]  # texts and their log-probabilities, or probabilities


def next_law(history: Sequence[Mapping[int, float]]) -> list[float]:
    """The law behind the prompt and a mixture at every position behind it."""
    mean = [0.0] * TARGET.vocab_size
    for way in product(*history):
        weight = math.prod(each[token] for each, token in zip(history, way, strict=True))
        law = TARGET.logits([*PROMPT, *way]).softmax(-1).tolist()
        mean = [m + weight * p for m, p in zip(mean, law, strict=True)]
    return mean


def closed_form(k: int, sampling: Sampling, alpha: float = 0.0, order: int = 4) -> Weighed:
    """The k drafts and their scores."""
    length, ngram = sampling.max_tokens or 0, NGram([PROMPT], order)
    going: Weighed = {(): 0.0}
    ended, history = Weighed(), list[dict[int, float]]()
    while going:
        law = next_law(history)
        top = sorted(range(len(law)), key=lambda t: -law[t])[:k]
        ways = {
            (*d, t): lp + (1 - alpha) * math.log(law[t]) + alpha * math.log(ngram.probability([*PROMPT, *d], t))
            for d, lp in going.items()
            for t in top
        }
        best = sorted(ways, key=lambda d: -ways[d])[: k - len(ended)]
        over = {d for d in best if len(d) == length or (d[-1] == END and not sampling.ignore_eos)}
        ended |= {d: ways[d] for d in over}
        going = {d: ways[d] for d in best if d not in over}
        total = math.fsum(math.exp(lp) for lp in going.values())
        mixture = dict[int, float]()
        for d, lp in going.items():
            mixture[d[-1]] = mixture.get(d[-1], 0.0) + math.exp(lp) / total
        history.append(mixture)
    return ended


def found(sampling: Sampling, **options: Any) -> Weighed:
    """The drafts that the method ends with, and their scores: the one outcome of the one path."""

    def drafts(session: Session) -> tuple[tuple[Text, float], ...]:
        assert session.result is not None
        ended = [e for e in session.result.ended if e.branch.done]
        return tuple((tuple(e.branch.generated), e.score or 0.0) for e in ended)

    [(only, _)] = law_of("superposed", sampling, read=drafts, **options).items()
    return dict(only)  # type: ignore[call-overload,no-any-return]


def apart(a: Weighed, b: Weighed) -> float:
    """The largest difference of scores; 1 where the texts are not the same."""
    return 1.0 if a.keys() != b.keys() else max(abs(a[text] - b[text]) for text in a)


def is_greedy(**options: Any) -> Proof:
    """One draft is greedy decoding."""
    return lambda: total_variation(law_of("superposed", LONG, k=1, **options), law_of("greedy", LONG))


def is_closed_form(sampling: Sampling, *sizes: int, alpha: float = 0.0) -> Proof:
    """Drafts and scores, for several k."""
    return lambda: max(apart(found(sampling, k=k, alpha=alpha), closed_form(k, sampling, alpha)) for k in sizes)


def marginal_of_the_second() -> float:
    """All first tokens are held: what a draft's score adds at the second is the model's own marginal of it."""
    sampling = Sampling(max_tokens=2, ignore_eos=True)
    first = TARGET.logits(PROMPT).softmax(-1).tolist()
    second = [
        math.fsum(p * float(TARGET.logits([*PROMPT, a]).softmax(-1)[b]) for a, p in enumerate(first)) for b in range(3)
    ]
    drafts = found(sampling, k=9)
    want: Weighed = {(a, b): math.log(first[a]) + math.log(second[b]) for a, b in product(range(3), repeat=2)}
    return apart(drafts, want)


def a_pass_a_token() -> float:
    """In how many of some runs there are other passes or rows than the longest draft alone would take."""

    def off(session: Session) -> int:
        assert session.result is not None
        account = session.ledger.models["target"]
        longest = max(e.branch.num_generated for e in session.result.ended)
        return abs(account.passes - longest) + abs(account.tokens - len(PROMPT) - longest + 1) + account.recomputed

    laws = [law_of("superposed", sampling, read=off, k=k) for sampling in (LONG, ENDLESS) for k in (1, 2, 3, 5)]
    return float(sum(each != {0: 1.0} for each in laws))


PROOFS: Proofs = {
    ("superposed", "k=1 is greedy"): is_greedy(),
    ("superposed", "k=1 is greedy, whatever the n-gram model says"): is_greedy(alpha=1.0),
    ("superposed", "drafts and scores are those of the linear toy"): is_closed_form(LONG, 2, 3, 4),
    ("superposed", "the same where no text ends early"): is_closed_form(ENDLESS, 2, 3, 5),
    ("superposed", "the n-gram model's part"): is_closed_form(LONG, 2, 3, 4, alpha=0.4),
    ("superposed", "two tokens: the exact marginal of the second"): marginal_of_the_second,
    ("superposed", "one pass and one row a token, whatever k"): a_pass_a_token,
}
