"""What the searches over steps claim, enumerated on the toy: against a plain retelling of each on the tables' own laws,
and against the simpler methods that they must equal.

A step ends with the letter b (token 2). The retellings go through all draws and use no engine. Each proof returns a
total variation.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Any

from ramify.core.sampling import Sampling
from ramify.maths.law import final_law
from ramify.toy.enumerate import total_variation
from ramify.toy.model import END
from ramify.verify.searches import SHORT, chosen, highest
from ramify.verify.toys import LENGTH, PLAIN, PROMPT, TARGET, Proof, Proofs, Text, law_of, reward_of, text_law

Law = dict[Text, float]
Candidate = tuple[int, Text]  # in the order of their making
BAR: dict[str, Any] = {"start": 0.1, "goal": 0.3, "beta": 0.2}
STEP: dict[str, Any] = {"step": "b", "max_step_tokens": 4}
NARROW = Sampling(max_tokens=2, top_k=2)  # two ways on everywhere: more branches can be gone through
REACHED = -1e9  # by everybody


def over(text: Text, sampling: Sampling = PLAIN) -> bool:
    """Whether a text is finished."""
    return END in text or len(text) == sampling.max_tokens


def grown(text: Text, sampling: Sampling = PLAIN, most: int = LENGTH, until: int | None = None) -> Law:
    """The law of a text that draws `most` tokens more, or as far as the token `until`."""
    law, rule = Law(), sampling.rule()

    def walk(more: Text, mass: float) -> None:
        whole = (*text, *more)
        if over(whole, sampling) or len(more) == most or (until is not None and more[-1:] == (until,)):
            law[whole] = law.get(whole, 0.0) + mass
            return
        masses = final_law(TARGET.logits([*PROMPT, *whole])[None], rule, [PROMPT], [whole]).dense(3)[0].tolist()
        for token, p in enumerate(masses):
            if p > 0:
                walk((*more, token), mass * p)

    walk((), 1.0)
    return law


def step(text: Text, t: int) -> Law:
    """One step more, narrow."""
    return grown(text, NARROW, until=2)


def best(some: Iterable[Candidate]) -> Text:
    """The highest reward, the earliest of equals."""
    return max(sorted(some), key=lambda candidate: reward_of(candidate[1]))[1]


@dataclass(frozen=True)
class Group:
    """Candidates that compete for the same places: the shares of n that those of each rank get."""

    shares: tuple[int, ...]
    finished: tuple[Candidate, ...]
    live: tuple[Candidate, ...]


def retold(groups: Sequence[Group], grow: Callable[[Text, int], Law]) -> Law:
    """Step searches in the open, narrow: everybody grows, each group keeps its best, which fork; until all is done."""
    law = Law()

    def walk(groups: Sequence[Group], t: int, mass: float, ended: tuple[Candidate, ...]) -> None:
        live = [c for group in groups for c in group.live]
        if not live:
            law[best(ended)] = law.get(best(ended), 0.0) + mass
            return
        for outcome in product(*(grow(text, t).items() for _, text in live)):
            now = {i: text for (i, _), (text, _) in zip(live, outcome, strict=True)}
            done = (*ended, *((i, text) for i, text in now.items() if over(text, NARROW)))
            weight = math.prod(p for _, p in outcome)
            walk(_next(groups, now, max(*now, *(i for i, _ in ended), 0)), t + 1, mass * weight, done)

    walk(groups, 0, 1.0, ())
    return law


def _next(groups: Sequence[Group], now: dict[int, Text], last: int) -> list[Group]:
    following = list[Group]()
    for group in groups:
        grew = [(i, now[i]) for i, _ in group.live]
        finished = (*group.finished, *(c for c in grew if over(c[1], NARROW)))
        pool = [*finished, *(c for c in grew if not over(c[1], NARROW))]
        kept = sorted(pool, key=lambda c: reward_of(c[1]), reverse=True)[: len(group.shares)]
        live = list[Candidate]()
        for (i, text), share in zip(kept, group.shares, strict=False):
            if not over(text, NARROW):
                live += [(i, text), *((last + 1 + fork, text) for fork in range(share - 1))]
                last += share - 1
        following.append(Group(group.shares, finished, tuple(live)))
    return following


def groups_of(*shares: tuple[int, ...]) -> list[Group]:
    """Empty texts in their groups, numbered one after another."""
    sizes = [sum(some) for some in shares]
    firsts = list(accumulate(sizes, initial=0))
    return [
        Group(some, (), tuple((first + i, ()) for i in range(size)))
        for some, first, size in zip(shares, firsts, sizes, strict=False)
    ]


def _layer(text: Text, t: int) -> Law:
    return grown(text, NARROW, most=1 if t == 0 else LENGTH)


def _accepted(text: Text, most: int, start: float, goal: float, beta: float) -> float:
    return math.exp(min(0.0, (reward_of(text) - start - (goal - start) * len(text) / most) / beta))


def segmented(start: float, goal: float, beta: float, sampling: Sampling = PLAIN) -> Law:
    """Two proposals for each token: the first accepted one, or else the better."""
    law, most = Law(), sampling.max_tokens or LENGTH

    def walk(text: Text, mass: float) -> None:
        if over(text, sampling):
            law[text] = law.get(text, 0.0) + mass
            return
        p = grown(text, sampling, most=1)
        a = {s: _accepted(s, most, start, goal, beta) for s in p}
        missed = sum(p[s] * (1 - a[s]) for s in p)
        chance = {s: p[s] * a[s] * (1 + missed) for s in p}
        for one, two in product(p, p):
            chance[best([(0, one), (1, two)])] += p[one] * (1 - a[one]) * p[two] * (1 - a[two])
        for s, q in chance.items():
            if q > 0.0:
                walk(s, mass * q)

    walk((), 1.0)
    return law


def committed(tokens: int) -> Law:
    """The better of two pieces, piece by piece."""
    law = Law()

    def walk(text: Text, mass: float) -> None:
        if over(text):
            law[text] = law.get(text, 0.0) + mass
            return
        for (one, p), (two, q) in product(grown(text, most=tokens).items(), repeat=2):
            walk(best([(0, one), (1, two)]), mass * p * q)

    walk((), 1.0)
    return law


def first_steps() -> Law:
    """The best of two first steps that ended the text, or else the better of both drawn to its end."""
    law = Law()
    for (one, p), (two, q) in product(grown((), until=2).items(), repeat=2):
        pair = [(0, one), (1, two)]
        done = [c for c in pair if over(c[1])]
        rest = {best(done): 1.0} if done else grown(best(pair))
        for text, mass in rest.items():
            law[text] = law.get(text, 0.0) + p * q * mass
    return law


def confidence(before: Text, text: Text) -> float:
    """Mean log-probability of the tokens behind `before`."""
    drawn = [
        float(TARGET.logits([*PROMPT, *text[:at]]).log_softmax(-1)[text[at]]) for at in range(len(before), len(text))
    ]
    return sum(drawn) / len(drawn)


def reconsidered(threshold: float, warmer: float) -> Law:
    """Each step drawn again once, warmer, where it is doubtful; the more confident one where both are."""
    law, warm = Law(), Sampling(max_tokens=LENGTH, temperature=1.0 + warmer)

    def walk(text: Text, mass: float) -> None:
        if over(text):
            law[text] = law.get(text, 0.0) + mass
            return
        for one, p in grown(text, until=2).items():
            if confidence(text, one) >= threshold:
                walk(one, mass * p)
                continue
            for two, q in grown(text, warm, until=2).items():
                walk(max(one, two, key=lambda s: confidence(text, s)), mass * p * q)

    walk((), 1.0)
    return law


def executed() -> Law:
    """Two plans, the better one carried out greedily; the best of what is finished."""
    law, cold = Law(), Sampling(max_tokens=LENGTH, temperature=0.0)
    for (one, p), (two, q) in product(grown((), until=2).items(), repeat=2):
        plans = [(0, one), (1, two)]
        [carried] = grown(best(plans), cold)
        text = best([*(c for c in plans if over(c[1])), *([(2, carried)] if carried != best(plans) else [])])
        law[text] = law.get(text, 0.0) + p * q
    return law


def likeliest_text(power: float) -> Law:
    """All mass on the text of highest log-probability over length ** power."""
    return {max(text_law().items(), key=lambda item: math.log(item[1]) / len(item[0]) ** power)[0]: 1.0}


def _is(method: str, want: Callable[[], Mapping[Any, float]], sampling: Sampling = PLAIN, **options: Any) -> Proof:
    return lambda: total_variation(law_of(method, sampling, **options), want())


def _best_of_two() -> Mapping[Any, float]:
    return chosen(2, highest, text_law())


PROOFS: Proofs = {
    ("beam", "its law: four candidates, two places"): _is(
        "beam", lambda: retold(groups_of((2, 2)), step), NARROW, n=4, width=2, **STEP
    ),
    ("beam", "width=1 is best-of-n"): _is("beam", _best_of_two, n=2, width=1, **STEP),
    ("beam", "n=1 is sampling"): _is("beam", text_law, n=1, **STEP),
    ("dvts", "its law: two subtrees of two"): _is(
        "dvts", lambda: retold(groups_of((2,), (2,)), step), NARROW, n=4, width=2, **STEP
    ),
    ("dvts", "width=1 is best-of-n"): _is("dvts", _best_of_two, n=2, width=1, **STEP),
    ("dvts", "one subtree is beam with one place"): _is(
        "dvts",
        lambda: law_of("beam", n=2, width=2, **STEP),
        n=2,
        width=2,
        **STEP,
    ),
    ("dvts", "n=1 is sampling"): _is("dvts", text_law, n=1, **STEP),
    ("treebon", "its law: two layers"): _is(
        "treebon", lambda: retold(groups_of((2, 2)), _layer), NARROW, n=4, children=2, layers=2, layer_tokens=1
    ),
    ("treebon", "one layer is best-of-n"): _is("treebon", _best_of_two, n=2, layers=1),
    ("treebon", "one child is best-of-n"): _is("treebon", _best_of_two, n=2, children=1, layers=3, layer_tokens=1),
    ("treebon", "n=1 is sampling"): _is("treebon", text_law, n=1, layer_tokens=1),
    **{
        ("token-beam-search", f"wide enough, it is the argmax (length_penalty={power})"): _is(
            "token-beam-search",
            lambda power=power: likeliest_text(power),  # type: ignore[misc]
            width=27,
            length_penalty=power,
            early_stopping="never",
        )
        for power in (-1.0, 0.0, 1.0, 2.5)
    },
    ("token-beam-search", "width=1, length_penalty=0 is greedy"): _is(
        "token-beam-search",
        lambda: law_of("greedy"),
        width=1,
        length_penalty=0.0,
    ),
    ("segment-rejection", "its law: two proposals a segment"): _is(
        "segment-rejection", lambda: segmented(**BAR, sampling=SHORT), SHORT, n=2, batch=1, tokens=1, **BAR
    ),
    ("segment-rejection", "two side by side have the law of two in a row"): _is(
        "segment-rejection", lambda: segmented(**BAR, sampling=SHORT), SHORT, n=2, batch=2, tokens=1, **BAR
    ),
    ("segment-rejection", "every token uncertain is segments of one"): _is(
        "segment-rejection",
        lambda: segmented(**BAR, sampling=SHORT),
        SHORT,
        **{"n": 2, "batch": 1, "tokens": 9, "threshold": 0.0} | BAR,
    ),
    ("segment-rejection", "a goal that all reach is sampling"): _is(
        "segment-rejection", text_law, n=2, batch=1, tokens=1, start=REACHED, goal=REACHED
    ),
    ("segment-rejection", "n=1 is sampling"): _is("segment-rejection", text_law, n=1, tokens=1),
    ("rain", "one look commits to the better piece"): _is(
        "rain", lambda: committed(1), simulations=1, width=2, tokens=1
    ),
    ("rain", "width=1 is sampling"): _is("rain", text_law, width=1, tokens=1, visits=1, enough=9.0),
    ("mcts", "one simulation with rollout is best-of-width"): _is(
        "mcts", _best_of_two, simulations=1, width=2, rollout=True, **STEP
    ),
    ("mcts", "one simulation is best-of-width over first steps"): _is(
        "mcts", first_steps, simulations=1, width=2, **STEP
    ),
    ("mcts", "width=1 is sampling"): _is("mcts", text_law, simulations=3, width=1, **STEP),
    ("retrospective-resampling", "its law: one retry"): _is(
        "retrospective-resampling", lambda: reconsidered(-0.9, 0.5), n=1, threshold=-0.9, warmer=0.5, retries=1, **STEP
    ),
    ("retrospective-resampling", "retries=0 is best-of-n"): _is(
        "retrospective-resampling", _best_of_two, n=2, threshold=0.0, retries=0, **STEP
    ),
    ("retrospective-resampling", "a threshold that all reach is sampling"): _is(
        "retrospective-resampling", text_law, n=1, threshold=REACHED, **STEP
    ),
    ("explore-execute", "its law: two plans"): _is("explore-execute", executed, n=2, step="b"),
    ("explore-execute", "plans as long as texts are best-of-n"): _is("explore-execute", _best_of_two, n=2),
    ("explore-execute", "one plan as long as the text is sampling"): _is("explore-execute", text_law, n=1),
}
