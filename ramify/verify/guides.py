"""What guides claim, enumerated on the toy against closed forms without an engine.

    p   a next-token law as a list      text   the tokens drawn behind PROMPT

Each proof returns a total variation (or, where it says so, a shortfall): 0 is exactly.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from typing import Any, cast

import torch
from torch import Tensor

from ramify.core.sampling import Sampling
from ramify.core.types import Guide, Prompt
from ramify.engine.driver import run_alone
from ramify.guide.adaptive import EntropyAdaptive
from ramify.guide.classifier_free import ClassifierFree
from ramify.guide.contrastive import Contrastive
from ramify.guide.mixing import UncertaintyMixing
from ramify.guide.nudging import Nudging
from ramify.guide.proxy_tuning import ProxyTuning
from ramify.guide.reward_guided import GenARM
from ramify.guide.rl_guidance import RLGuidance
from ramify.search.sample import sample
from ramify.toy.enumerate import Tape, outcomes, total_variation
from ramify.toy.model import END, ToyModel
from ramify.toy.runner import toy_model
from ramify.verify.toys import (
    PLAIN,
    PROMPT,
    SMALL,
    TARGET,
    Proof,
    Proofs,
    Text,
    best_text,
    normalised,
    reward_of,
    text_law,
    toy_engine,
)

Row = Callable[[Text], Sequence[float]]
Score = Callable[[Text], float]
NEGATIVE = (2, 2, 1, 1)
THIRD = ToyModel(vocab_size=3, order=2, salt=14)


def p(model: ToyModel, text: Text, prompt: Sequence[int] = PROMPT) -> list[float]:
    """A table's next-token law."""
    weights = model.weights([*prompt, *text])
    return (weights / weights.sum()).tolist()


def scaled(weights: Sequence[float]) -> list[float]:
    """Weights divided by their sum."""
    return [weight / sum(weights) for weight in weights]


def product(*parts: tuple[Sequence[float], float]) -> list[float]:
    """The normalised product of laws to their powers."""
    powers = [1.0] * len(parts[0][0])
    for law, power in parts:
        powers = [have * mass**power for have, mass in zip(powers, law, strict=True)]
    return scaled(powers)


def entropy(law: Sequence[float]) -> float:
    """In nats."""
    return -sum(mass * log(mass) for mass in law if mass > 0)


def chain(row: Row, length: int = 3) -> dict[Text, float]:
    """The law of a text by the chain rule, `row` being the law of the token behind a text."""
    law = dict[Text, float]()

    def walk(text: Text, mass: float) -> None:
        if len(text) == length or END in text:
            law[text] = mass
            return
        for token, q in enumerate(row(text)):
            if q > 0:
                walk((*text, token), mass * q)

    walk((), 1.0)
    return law


def guided(guide: Guide, sampling: Sampling = PLAIN, **others: ToyModel) -> dict[Text, float]:
    """The enumerated law of sampling under a guide, with more models beside the toy's own."""

    def once(tape: Tape) -> Hashable:
        engine = toy_engine(tape)
        engine.others |= {role: toy_model(role, model) for role, model in others.items()}
        session = run_alone(engine, sample(Prompt(PROMPT, sampling, guide=guide)))
        engine.check()
        return best_text(session)

    return cast(dict[Text, float], outcomes(once))


@dataclass(frozen=True)
class RatioArm(ToyModel):
    """The ideal autoregressive reward model: optimum / base of each token, by dynamic programming from texts' ends.

    V(text) is E exp(reward / beta) over the base's ways to end the text; a token's ratio is V(text + token) / V(text).
    """

    score: Score = reward_of
    beta: float = 1.0
    length: int = 3

    def weights(self, context: Sequence[int]) -> Tensor:
        """V of each token behind the context; 1 within the prompt, where nobody draws."""
        text = tuple(context[len(PROMPT) :])
        if len(context) < len(PROMPT) or len(text) >= self.length or END in text:
            return torch.ones(self.vocab_size, dtype=torch.float64)
        return torch.tensor([self._ahead((*text, t)) for t in range(self.vocab_size)], dtype=torch.float64)

    def _ahead(self, text: Text) -> float:
        if len(text) == self.length or END in text:
            return exp(self.score(text) / self.beta)
        return sum(mass * self._ahead((*text, token)) for token, mass in enumerate(p(TARGET, text)))


def optimum(score: Score, beta: float, length: int = 3) -> dict[Text, float]:
    """The KL-regularised optimum of texts: p exp(score / beta), normalised."""
    base = text_law(Sampling(max_tokens=length))
    return normalised({text: mass * exp(score(text) / beta) for text, mass in base.items()})


def _letters(text: Text) -> float:
    return float(text.count(2))


def rl_gap(length: int, w: float = 2.0, beta: float = 1.0) -> float:
    """How far token-wise averaging is from the optimum at beta / w, for texts of at most `length` tokens."""
    arm = RatioArm(score=reward_of, beta=beta, length=length)

    def row(text: Text) -> list[float]:
        base = p(TARGET, text)
        return product((base, 1 - w), (product((base, 1.0), (p(arm, text), 1.0)), w))

    return total_variation(chain(row, length), optimum(reward_of, beta / w, length))


def _one_step_policy() -> float:
    """The tuned model is the optimum at beta: w times of it is the optimum at beta / w, for texts of one token."""
    w, beta = 1.7, 0.6
    arm, short = RatioArm(score=reward_of, beta=beta, length=1), Sampling(max_tokens=1)
    tuned = ProductTable(TARGET, arm)
    return total_variation(guided(RLGuidance(tuned="tuned", w=w), short, tuned=tuned), optimum(reward_of, beta / w, 1))


@dataclass(frozen=True)
class ProductTable(ToyModel):
    """The product of two tables."""

    first: ToyModel = TARGET
    second: ToyModel = TARGET

    def __init__(self, first: ToyModel, second: ToyModel) -> None:
        object.__setattr__(self, "first", first)
        object.__setattr__(self, "second", second)

    def weights(self, context: Sequence[int]) -> Tensor:
        """Weight by weight."""
        return self.first.weights(context) * self.second.weights(context)


def _trade_off() -> float:
    """By how much an objective falls although its weight rises, on a grid of weights of two (0: it never does)."""
    longer, letters = RatioArm(score=lambda text: len(text) / 2), RatioArm(score=_letters)
    objectives: tuple[Score, Score] = (lambda text: float(len(text)), _letters)
    shortfall = 0.0
    for name, objective in enumerate(objectives):
        seen = list[float]()
        for weight in (0.0, 0.5, 1.0, 2.0):
            weights = (weight, 0.7) if name == 0 else (0.7, weight)
            law = guided(GenARM(arms=("longer", "letters"), weights=weights), longer=longer, letters=letters)
            seen.append(sum(mass * objective(text) for text, mass in law.items()))
        shortfall = max(shortfall, *(1e-6 + low - high for low, high in pairwise(seen)))
    return max(0.0, shortfall)


def nudged(base: ToyModel, nudger: ToyModel, threshold: float, words: bool) -> Row:
    """The row law of nudging; of the toy's tokens the end alone begins no further letter."""

    def law(text: Text) -> list[float]:
        within = False
        for end in range(len(text) + 1):
            mine, theirs = p(base, text[:end]), p(nudger, text[:end])
            unsure = max(mine) < threshold
            within = unsure or (words and within and theirs.index(max(theirs)) != END)
        return theirs if within else mine

    return law


def switching(threshold: float, window: int, least: int) -> Row:
    """The row law of entropy-adaptive decoding, replayed from the first token."""

    def law(text: Text) -> list[float]:
        H, who = list[float](), list[bool]()  # bits; whether the large model leads
        for end in range(len(text) + 1):
            recent = H[-window:]
            mean = sum(recent) / max(1, len(recent))
            held = bool(who) and (len(who) < least or len(set(who[-least:])) > 1)
            who.append(who[-1] if held else mean > threshold)
            row = p(TARGET if who[-1] else SMALL, text[:end])
            H.append(entropy(row) / log(2))
        return row

    return law


def mixed(beta: float, temperature: float, other_temperature: float) -> Row:
    """The row law of uncertainty-aware fusion."""

    def law(text: Text) -> list[float]:
        mine = scaled([mass ** (1 / temperature) for mass in p(TARGET, text)])
        theirs = scaled([mass ** (1 / other_temperature) for mass in p(SMALL, text)])
        w = 1 / (1 + exp(-entropy(mine))) - beta
        return scaled([a + w * b for a, b in zip(mine, theirs, strict=True)])

    return law


def contrast(alpha: float, beta: float) -> Row:
    """The row law of contrastive decoding."""

    def law(text: Text) -> list[float]:
        expert = p(TARGET, text)
        raw = product((expert, 1 + beta), (p(SMALL, text), -beta))
        return scaled([q if mass >= alpha * max(expert) else 0.0 for q, mass in zip(raw, expert, strict=True)])

    return law


def top_two(text: Text) -> list[float]:
    """The row law of one arm among the base's two likeliest tokens."""
    base, raw = p(TARGET, text), product((p(TARGET, text), 1.0), (p(SMALL, text), 0.8))
    kept = sorted(range(3), key=lambda t: (-base[t], t))[:2]
    return scaled([q if t in kept else 0.0 for t, q in enumerate(raw)])


def _same(guide: Guide, want: Mapping[Any, float], sampling: Sampling = PLAIN, **others: ToyModel) -> Proof:
    return lambda: total_variation(guided(guide, sampling, **others), want)


def _rows(guide: Guide, row: Row, length: int = 3) -> Proof:
    sampling = Sampling(max_tokens=length)
    return lambda: total_variation(guided(guide, sampling, third=THIRD), chain(row, length))


BASE, LITTLE = text_law(), text_law(model=SMALL)
PROOFS: Proofs = {
    ("guide genarm", "the normalised product of two arms"): _rows(
        GenARM(arms=("small", "third"), weights=(0.7, -0.4)),
        lambda text: product((p(TARGET, text), 1.0), (p(SMALL, text), 0.7), (p(THIRD, text), -0.4)),
    ),
    ("guide genarm", "optimum / base as arm gives the KL-regularised optimum"): _same(
        GenARM(arms="arm"), optimum(reward_of, 0.5), arm=RatioArm(beta=0.5)
    ),
    ("guide genarm", "among the base's two likeliest"): _rows(GenARM(arms="small", weights=0.8, top_k=2), top_two),
    ("guide genarm", "weight 0 is the target"): _same(GenARM(arms="small", weights=0.0), BASE),
    ("guide genarm", "weights trade objectives monotonically"): _trade_off,
    ("guide contrastive", "the closed form"): _rows(
        Contrastive(amateur="small", alpha=0.4, beta=0.6), contrast(0.4, 0.6)
    ),
    ("guide contrastive", "alpha=0, beta=0 is the target"): _same(Contrastive(amateur="small", alpha=0, beta=0), BASE),
    ("guide classifier-free", "the closed form"): _rows(
        ClassifierFree(gamma=1.6, negative=NEGATIVE),
        lambda text: product((p(TARGET, text), 1.6), (p(TARGET, text, NEGATIVE), -0.6)),
    ),
    ("guide classifier-free", "behind the last token alone"): _rows(
        ClassifierFree(gamma=1.5),
        lambda text: product((p(TARGET, text), 1.5), (p(TARGET, text, PROMPT[-1:]), -0.5)),
    ),
    ("guide classifier-free", "gamma=0 is the other prompt"): _rows(
        ClassifierFree(gamma=0.0, negative=NEGATIVE), lambda text: p(TARGET, text, NEGATIVE)
    ),
    ("guide classifier-free", "gamma=1 is the target"): _same(ClassifierFree(gamma=1.0, negative=NEGATIVE), BASE),
    ("guide proxy-tuning", "the closed form"): _rows(
        ProxyTuning(tuned="small", untuned="third", scale=0.8),
        lambda text: product((p(TARGET, text), 1.0), (p(SMALL, text), 0.8), (p(THIRD, text), -0.8)),
    ),
    ("guide proxy-tuning", "nothing tuned is the target"): _same(ProxyTuning(tuned="small", untuned="small"), BASE),
    ("guide rl-guidance", "the closed form"): _rows(
        RLGuidance(tuned="small", w=1.4), lambda text: product((p(TARGET, text), -0.4), (p(SMALL, text), 1.4))
    ),
    ("guide rl-guidance", "w=0 is the target"): _same(RLGuidance(tuned="small", w=0.0), BASE),
    ("guide rl-guidance", "w=1 is the tuned model"): _same(RLGuidance(tuned="small", w=1.0), LITTLE),
    ("guide rl-guidance", "one token: the optimum at beta / w"): _one_step_policy,
    ("guide nudging", "token by token"): _rows(
        Nudging(nudger="small", threshold=0.55, words=False), nudged(TARGET, SMALL, 0.55, False)
    ),
    ("guide nudging", "to the end of a word"): _rows(
        Nudging(nudger="small", threshold=0.55), nudged(TARGET, SMALL, 0.55, True), 4
    ),
    ("guide nudging", "threshold 0 is the base"): _same(Nudging(nudger="small", threshold=0.0), BASE),
    ("guide nudging", "above 1 it is the nudger"): _same(Nudging(nudger="small", threshold=1.1), LITTLE),
    ("guide entropy-adaptive", "the leader's law"): _rows(
        EntropyAdaptive(small="small", threshold=1.4, window=2, least=1), switching(1.4, 2, 1), 4
    ),
    ("guide entropy-adaptive", "held for two tokens"): _rows(
        EntropyAdaptive(small="small", threshold=1.4, window=1, least=2), switching(1.4, 1, 2), 4
    ),
    ("guide entropy-adaptive", "a high threshold is the small model"): _same(
        EntropyAdaptive(small="small", threshold=9.0), LITTLE
    ),
    ("guide entropy-adaptive", "below 0 it is the target"): _same(EntropyAdaptive(small="small", threshold=-1.0), BASE),
    ("guide uncertainty-mixing", "the closed form"): _rows(
        UncertaintyMixing(other="small", beta=0.3, temperature=0.8, other_temperature=1.3), mixed(0.3, 0.8, 1.3)
    ),
    ("guide uncertainty-mixing", "share 0 is the target"): _same(UncertaintyMixing(other="small", share=0.0), BASE),
    ("guide uncertainty-mixing", "share 1 is the other"): _same(UncertaintyMixing(other="small", share=1.0), LITTLE),
}
