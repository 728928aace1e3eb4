"""What the rankings of finished candidates and the choices among given answers claim, enumerated on the toy.

Each proof returns the total variation between two laws, or the largest difference of numbers. Likelihoods in the closed
forms are the toy's tables, by the chain rule; no engine is asked.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from ramify.core.sampling import Sampling
from ramify.engine.session import Session
from ramify.maths.equilibrium import equilibrium, initial_generator
from ramify.reward.logprob import MeanLogprob
from ramify.toy.enumerate import total_variation
from ramify.verify.sampling import CODEC, NEVER, is_sampling, likelihood, same_answer, shown
from ramify.verify.searches import SHORT, chosen
from ramify.verify.toys import PROMPT, SMALL, TARGET, Proofs, Text, law_of, text_law

Options = dict[str, Any]
ASKED: Options = {"template": "{prompt}{first}b{second}", "question": "a", "choices": ("a", "b")}
BEHIND: Options = {"correct": "{prompt}", "incorrect": "{prompt}b", "question": "a", "choices": ("a", "b")}
MENU: Options = {"template": "{options}", "option": "{label}{option}b", "label": "{label}", "question": ""}
LONGER = Sampling(max_tokens=8)


def _preferred(group: list[Text]) -> int:
    """Of two texts the one that the small model prefers in both orders together; the empty one loses."""

    def first(a: Text, b: Text) -> float:
        before = CODEC.encode(shown(PROMPT) + shown(a) + "b" + shown(b) + "a")
        yes, no = (math.exp(likelihood(SMALL, before, [token])) for token in (1, 2))
        return yes / (yes + no)

    one, other = group
    if not shown(one) or not shown(other) or one == other:
        return 0 if shown(one) else 1 if shown(other) else 0
    return int((first(one, other) + 1.0 - first(other, one)) / 2.0 < 0.5)


def _earliest_text(group: list[Text]) -> int:
    return next((i for i, text in enumerate(group) if shown(text)), 0)


def _biased_judge() -> float:
    """A judge that looks at places only prefers nobody: the question is all that this toy sees."""
    law = law_of("pairwise-rank", SHORT, n=2, judge="small", **(ASKED | {"question": "ab"}))
    return total_variation(law, chosen(2, _earliest_text, text_law(SHORT)))


def _agreed(price: float) -> Callable[[list[Text]], int]:
    """The game over the different texts of a group, from the toy's tables; without steps, the initial policies."""

    def choose(group: list[Text]) -> int:
        texts = list(dict.fromkeys(text for text in group if shown(text)))
        if len(texts) < 2:
            return _earliest_text(group)
        stem = CODEC.encode(shown(PROMPT))
        letters = [CODEC.encode_after(shown(text)) for text in texts]
        says = [[likelihood(TARGET, [*stem, *wording], text) for text in letters] for wording in ([], [2])]
        heard = [[likelihood(TARGET, [*PROMPT, *text, 1], [token]) for token in (1, 2)] for text in letters]
        generator = initial_generator(*says)
        if price == NEVER:
            score = [g - math.log(sum(map(math.exp, row))) + row[0] for g, row in zip(generator[0], heard, strict=True)]
            return group.index(texts[score.index(max(score))])
        played = equilibrium(generator, heard, lambda_g=price, lambda_d=price, eta_g=0.1, eta_d=0.1, steps=20)
        return group.index(texts[played.ranking[0]])

    return choose


def _game(price: float) -> float:
    law = law_of("consensus-game", SHORT, n=2, price=price, steps=20, **BEHIND)
    return total_variation(law, chosen(2, _agreed(price), text_law(SHORT)))


def _lending(t: float) -> Callable[[list[Text]], int]:
    """The least sentence-SAR where all tokens count alike and the same answer is the same meaning."""

    def choose(group: list[Text]) -> int:
        p = [math.exp(likelihood(TARGET, PROMPT, text) / len(text)) for text in group]
        E = [
            -math.log(p[j] + sum(p[k] * same_answer(group[j], group[k]) / t for k in range(len(group)) if k != j))
            for j in range(len(group))
        ]
        return min(range(len(group)), key=lambda j: round(E[j], 12))

    return choose


def _least_uncertain() -> float:
    law = law_of("sar", SHORT, n=3, t=0.5, relevance="equal", similarity="answer")
    return total_variation(law, chosen(3, _lending(0.5), text_law(SHORT)))


def _scores(session: Session) -> Hashable:
    assert session.result is not None
    return tuple(e.score for e in session.result.ended)


def _only(law: Mapping[Any, float]) -> Any:
    """The one outcome of what is not drawn."""
    (outcome,) = law
    return outcome


def _sums(facts: Sequence[str] = ("a", "ba"), **options: Any) -> list[float]:
    """think-sum's scores of three choices."""
    return list(_only(law_of("think-sum", read=_scores, choices=("a", "b", "ab"), facts=facts, **options)))


def _summed() -> float:
    """Every aggregate of two facts, with the prior, by the chain rule."""
    stem, far = CODEC.encode(shown(PROMPT)), 0.0
    choices, facts = [(1,), (2,), (1, 2)], [(1,), (2, 1)]
    own = [likelihood(TARGET, PROMPT, choice) for choice in choices]
    told = [[likelihood(TARGET, [*stem, *choice], fact) for fact in facts] for choice in choices]
    before = [likelihood(TARGET, stem, fact) for fact in facts]
    want = {
        "product": [sum(row) for row in told],
        "mixture": [math.log(sum(map(math.exp, row)) / 2.0) for row in told],
        "ratio": [sum(row) - sum(before) for row in told],
    }
    for aggregator, totals in want.items():
        posterior = [total + mass for total, mass in zip(totals, own, strict=True)]
        far = max(far, _apart(_sums(aggregator=aggregator), totals))
        far = max(far, _apart(_sums(aggregator=aggregator, prior=True), posterior))
    return max(far, _apart(_sums(facts=()), own))


def _one_by_one() -> float:
    """A choice scored beside others scores as it does alone."""
    alone = [law_of("think-sum", read=_scores, choices=(choice,), facts=("a", "ba")) for choice in ("a", "b", "ab")]
    return _apart(_sums(), [_only(law)[0] for law in alone])


def _apart(found: Sequence[float], want: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(found, want, strict=True))


def _masses(menu: Sequence[str], prior: Sequence[float] = (1.0, 1.0)) -> list[float]:
    """Chances of the two labels behind a menu, less their prior."""
    before = CODEC.encode(f"A{menu[0]}bB{menu[1]}b")
    mass = [math.exp(likelihood(TARGET, before, [label])) / p for label, p in zip((1, 2), prior, strict=True)]
    return [m / sum(mass) for m in mass]


def _appeal(kind: str, options: Sequence[str]) -> list[float]:
    """The labels' prior."""
    if kind == "none":
        return [0.5, 0.5]
    if kind == "content-free":
        return _masses(("b", "b"))
    rows = [_masses(options), _masses(options[::-1])]
    means = [math.sqrt(a * b) for a, b in zip(*rows, strict=True)]
    return [mean / sum(means) for mean in means]


def _funnel(kind: str, confident: float) -> float:
    """Two options by hand: the debiased best, then the other one against "none of these"."""
    options = ("bb", "a")
    prior = _appeal(kind, options)
    first = _masses(options, prior)
    best = first.index(max(first))
    taken, trace = [best], [first[best]]
    if first[best] <= confident:
        second = _masses((options[1 - best], "None of these"), prior)
        if second[0] >= second[1]:
            taken, trace = [*taken, 1 - best], [*trace, second[0]]

    def read(session: Session) -> Hashable:
        assert session.result is not None
        rounds = [r for r in session.result.rounds if "option" in r]
        text = shown(tuple(session.result.best.branch.generated))
        return text, tuple(options.index(r["option"]) for r in rounds), tuple(r["mass"] for r in rounds)

    wishes: Options = {"options": options, "prior": kind, "confident": confident, "separator": "a", "content_free": "b"}
    text, order, found = _only(law_of("choice-funnel", LONGER, read=read, **wishes, **MENU))
    right = list(order) == taken and text == "a".join(options[i] for i in sorted(taken))
    return _apart(found, trace) if right else 1.0


PROOFS: Proofs = {
    ("pairwise-rank", "the judge's favourite of two"): lambda: total_variation(
        law_of("pairwise-rank", SHORT, n=2, judge="small", **ASKED), chosen(2, _preferred, text_law(SHORT))
    ),
    ("pairwise-rank", "a judge of places prefers nobody"): _biased_judge,
    ("pairwise-rank", "n=1 is sampling"): is_sampling("pairwise-rank"),
    ("consensus-game", "the first in equilibrium"): lambda: _game(0.1),
    ("consensus-game", "a price to infinity keeps the policies"): lambda: _game(NEVER),
    ("consensus-game", "n=1 is sampling"): is_sampling("consensus-game"),
    ("sar", "the least sentence-SAR"): _least_uncertain,
    ("sar", "nothing relevant, nobody similar: best-of-n by mean log-probability"): lambda: total_variation(
        law_of("sar", SHORT, n=3, t=1e300, relevance="equal"),
        law_of("best-of-n", Sampling(max_tokens=2, logprobs=0), n=3, reward=MeanLogprob()),
    ),
    ("sar", "n=1 is sampling"): is_sampling("sar"),
    ("think-sum", "aggregates by the chain rule"): _summed,
    ("think-sum", "choices together are choices one by one"): _one_by_one,
    ("think-sum", "one fact: product and mixture agree"): lambda: _apart(
        _sums(("ba",)), _sums(("ba",), aggregator="mixture")
    ),
    **{
        ("choice-funnel", f"the debiased best, then the rest: {prior}, confident={confident}"): (
            lambda prior=prior, confident=confident: _funnel(prior, confident)  # type: ignore[misc]
        )
        for prior in ("none", "content-free", "cyclic")
        for confident in (0.5, 1.0)
    },
}
