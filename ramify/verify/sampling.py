"""What the regularised forms of best-of-n and the votes claim, enumerated on the toy.

Each proof returns the total variation between two laws, or the largest difference of numbers. Closed forms go through
all groups of n texts and use no engine.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import product
from typing import Any

from ramify.core.sampling import Sampling
from ramify.engine.session import Session
from ramify.maths import alignment
from ramify.maths.overlap import overlap
from ramify.reward.checker import Checker
from ramify.toy.enumerate import total_variation
from ramify.toy.model import ToyCodec, ToyModel
from ramify.verify.searches import SHORT, chosen, plurality
from ramify.verify.toys import (
    PROMPT,
    TARGET,
    Proof,
    Proofs,
    Text,
    expectation_of,
    last_letter,
    law_of,
    reward_of,
    text_law,
)

CODEC = ToyCodec(3, begin=1)
FLAT = Checker(lambda prompt, text: 0.0, name="flat")
NEVER = 1e15  # a price that nobody pays


def mixed(n: int, chances: Callable[[Sequence[Text]], Sequence[float]], law: Mapping[Text, float]) -> dict[Text, float]:
    """The law of a choice among n independent draws, member i of a group with chance chances(group)[i]."""
    found = dict[Text, float]()
    for group in product(law, repeat=n):
        mass = math.prod(law[text] for text in group)
        for text, chance in zip(group, chances(group), strict=True):
            found[text] = found.get(text, 0.0) + mass * chance
    return found


def shown(text: Text) -> str:
    """The letters of a text."""
    return CODEC.decode(text)


def likelihood(model: ToyModel, before: Sequence[int], text: Sequence[int]) -> float:
    """log p(text | before), by the chain rule."""
    seen, total = [*before], 0.0
    for token in text:
        total += float(model.logits(seen).log_softmax(-1)[token])
        seen.append(token)
    return total


def is_sampling(method: str, n: int = 1, **options: Any) -> Proof:
    """n draws of which one is taken as if nobody looked: plain sampling."""
    return lambda: total_variation(law_of(method, n=n, **options), text_law())


def _equal(method: str, other: str, sampling: Sampling = SHORT, *, n: int, **options: Any) -> float:
    """How far a method is from another one, at the same n and reward."""
    shared = {name: options[name] for name in ("reward",) if name in options}
    return total_variation(law_of(method, sampling, n=n, **options), law_of(other, sampling, n=n, **shared))


def _softmax(beta: float) -> Callable[[Sequence[Text]], list[float]]:
    def chances(group: Sequence[Text]) -> list[float]:
        mass = [math.exp(reward_of(text) / beta) for text in group]
        return [m / sum(mass) for m in mass]

    return chances


def _soft_by_multisets() -> float:
    texts = text_law(SHORT)
    want = alignment.soft_best_of_n(list(texts.values()), [reward_of(text) for text in texts], 2, 0.5)
    claimed = dict(zip(texts, want.tolist(), strict=True))
    return total_variation(law_of("soft-best-of-n", SHORT, n=2, beta=0.5), claimed)


def _soft_evidence() -> float:
    """E exp(log_evidence) = Z, and E exp(log_evidence) sum_i w_i r_i = E r exp(r / beta)."""
    beta, texts = 0.5, text_law(SHORT)

    def weighted(session: Session) -> float:
        found = session.result
        assert found is not None and found.weights is not None and found.log_evidence is not None
        mean = sum(w * float(e.score or 0.0) for w, e in zip(found.weights, found.ended, strict=True))
        return math.exp(found.log_evidence) * mean

    def evidence(session: Session) -> float:
        assert session.result is not None and session.result.log_evidence is not None
        return math.exp(session.result.log_evidence)

    tilted = {text: mass * math.exp(reward_of(text) / beta) for text, mass in texts.items()}
    rewarded = sum(mass * reward_of(text) for text, mass in tilted.items())
    options: dict[str, Any] = {"sampling": SHORT, "n": 2, "beta": beta}
    return max(
        abs(expectation_of("soft-best-of-n", evidence, **options) - sum(tilted.values())),
        abs(expectation_of("soft-best-of-n", weighted, **options) - rewarded),
    )


def _agreeing(utility: Callable[[Text, Text], float], beta: float) -> Callable[[list[Text]], int]:
    def choose(group: list[Text]) -> int:
        value = [reward_of(a) + beta * sum(utility(a, b) for b in group) / len(group) for a in group]
        return value.index(max(value))

    return choose


def same_answer(a: Text, b: Text) -> float:
    """1 where two texts end in the same letter."""
    return float(bool(shown(a)) and last_letter(shown(a)) == last_letter(shown(b)))


def _by_agreement(kind: str, utility: Callable[[Text, Text], float]) -> Proof:
    def proof() -> float:
        want = chosen(3, _agreeing(utility, 0.7), text_law(SHORT))
        return total_variation(law_of("mbr-best-of-n", SHORT, n=3, beta=0.7, utility=kind), want)

    return proof


def _accepting(beta: float, r_max: float | None = None) -> Callable[[Sequence[Text]], list[float]]:
    """Chances by the paper's definition: lambda by bisection, then one draw after the other."""

    def chances(group: Sequence[Text]) -> list[float]:
        r = [reward_of(text) for text in group]
        low, high = min(r) - beta - 1.0, max(r)
        while (middle := (low + high) / 2.0) not in (low, high):
            total = sum(max(0.0, score - middle) / beta for score in r) / len(r)
            low, high = (middle, high) if total > 1.0 else (low, middle)
        most, left, found = max(r) if r_max is None else r_max, 1.0, list[float]()
        for score in r:
            accept = min(1.0, max(0.0, score - low) / (most - low))
            found.append(left * accept)
            left *= 1.0 - accept
        return found

    return chances


def _pessimistic(n: int, r_max: float | None = None, sampling: Sampling = SHORT) -> float:
    texts = text_law(sampling)
    want = mixed(n, _accepting(0.2, r_max), texts)
    rest = 1.0 - sum(want.values())
    want = {text: want[text] + (rest * mass if r_max is not None else 0.0) for text, mass in texts.items()}
    return total_variation(law_of("pessimistic-best-of-n", sampling, n=n, beta=0.2, r_max=r_max), want)


def _stopped(confidence: float) -> Callable[[list[Text]], int]:
    """The first draws until the Beta rule stops, then the plurality."""

    def choose(group: list[Text]) -> int:
        for m in range(1, len(group) + 1):
            count = Counter(last_letter(shown(text)) for text in group[:m] if shown(text))
            first, second = [*sorted(count.values(), reverse=True), 0, 0][:2]
            total = first + second + 1
            sure = sum(math.comb(total, k) for k in range(first + 1)) / 2**total
            if first and (sure >= confidence or first - second > len(group) - m):
                break
        return plurality(group[:m])

    return choose


def _adaptive(confidence: float) -> float:
    law = law_of("adaptive-vote", SHORT, n=3, batch=1, confidence=confidence)
    return total_variation(law, chosen(3, _stopped(confidence), text_law(SHORT)))


def _behind(before: Sequence[int]) -> dict[Text, float]:
    """The law of short texts behind another prompt."""
    texts = text_law(SHORT)
    return {text: math.exp(likelihood(TARGET, before, text)) for text in texts}


def _two_views() -> float:
    """Two draws behind the prompt and one behind another wording, one vote."""
    here, there = text_law(SHORT), _behind([*CODEC.encode(shown(PROMPT)), 2])
    want = dict[Hashable, float]()
    for group in product(here, here, there):
        text = group[plurality(list(group))]
        want[text] = want.get(text, 0.0) + here[group[0]] * here[group[1]] * there[group[2]]
    return total_variation(law_of("cross-view-vote", SHORT, n=3, views=("{prompt}", "{prompt}b")), want)


PROOFS: Proofs = {
    ("soft-best-of-n", "a softmax among n draws"): lambda: total_variation(
        law_of("soft-best-of-n", n=2, beta=0.3), mixed(2, _softmax(0.3), text_law())
    ),
    ("soft-best-of-n", "the closed form over multisets"): _soft_by_multisets,
    ("soft-best-of-n", "evidence and weights are unbiased"): _soft_evidence,
    ("soft-best-of-n", "beta=0 is best-of-n"): lambda: _equal("soft-best-of-n", "best-of-n", n=2, beta=0.0),
    ("soft-best-of-n", "beta to infinity is sampling"): is_sampling("soft-best-of-n", n=2, beta=NEVER),
    ("soft-best-of-n", "n=1 is sampling"): is_sampling("soft-best-of-n"),
    ("mbr-best-of-n", "reward and same answers"): _by_agreement("answer", same_answer),
    ("mbr-best-of-n", "reward and common tokens"): _by_agreement("token", overlap),
    ("mbr-best-of-n", "beta=0 is best-of-n"): lambda: _equal("mbr-best-of-n", "best-of-n", n=2, beta=0.0),
    ("mbr-best-of-n", "a flat reward is majority-vote"): lambda: _equal(
        "mbr-best-of-n", "majority-vote", n=3, reward=FLAT
    ),
    ("mbr-best-of-n", "n=1 is sampling"): is_sampling("mbr-best-of-n"),
    ("pessimistic-best-of-n", "rejection by chi-squared weights"): lambda: _pessimistic(3),
    ("pessimistic-best-of-n", "one more draw where nobody is accepted"): lambda: _pessimistic(
        2, 1.5, Sampling(max_tokens=1)
    ),
    ("pessimistic-best-of-n", "beta=0 is best-of-n"): lambda: _equal(
        "pessimistic-best-of-n", "best-of-n", n=2, beta=0.0
    ),
    ("pessimistic-best-of-n", "beta to infinity is sampling"): is_sampling("pessimistic-best-of-n", n=2, beta=NEVER),
    ("pessimistic-best-of-n", "n=1 is sampling"): is_sampling("pessimistic-best-of-n"),
    ("adaptive-vote", "the plurality when the Beta rule stops"): lambda: _adaptive(0.8),
    ("adaptive-vote", "confidence=1 is majority-vote"): lambda: _equal(
        "adaptive-vote", "majority-vote", n=3, batch=1, confidence=1.0
    ),
    ("adaptive-vote", "batch=n is majority-vote"): lambda: _equal("adaptive-vote", "majority-vote", n=3, batch=3),
    ("adaptive-vote", "n=1 is sampling"): is_sampling("adaptive-vote"),
    ("cross-view-vote", "the plurality over two views"): _two_views,
    ("cross-view-vote", "one view is majority-vote"): lambda: _equal(
        "cross-view-vote", "majority-vote", n=3, views=("{prompt}",)
    ),
    ("cross-view-vote", "n=1 is sampling"): is_sampling("cross-view-vote"),
}
