"""What plain sampling and the searches over whole texts claim, enumerated on the toy: every outcome of every draw.

Each proof returns the total variation between the law that a search has and the one it claims (0 is exactly; rounding
of fp64 sums is below 1e-12).
"""

from collections.abc import Callable, Hashable
from functools import partial
from itertools import product

from ramify.core.registry import lookup
from ramify.core.sampling import Sampling
from ramify.core.types import Budget
from ramify.search.nested import nested
from ramify.toy.enumerate import total_variation
from ramify.verify.toys import LENGTH, PLAIN, PROMPT, Proof, Proofs, Text, last_letter, law_of, reward_of, text_law

__all__ = ["PROMPT", "PROOFS", "SAMPLINGS", "searches_have_their_laws", "text_law"]

SAMPLINGS = {
    "plain": PLAIN,
    "temperature 0": Sampling(max_tokens=LENGTH, temperature=0.0),
    "temperature 0.7": Sampling(max_tokens=LENGTH, temperature=0.7),
    "top-k 2": Sampling(max_tokens=LENGTH, top_k=2),
    "top-p 0.7": Sampling(max_tokens=LENGTH, top_p=0.7),
    "min-p 0.4": Sampling(max_tokens=LENGTH, min_p=0.4),
    "repetition penalty": Sampling(max_tokens=LENGTH, repetition_penalty=1.7),
    "presence and frequency": Sampling(max_tokens=LENGTH, presence_penalty=0.6, frequency_penalty=0.4),
    "logit bias": Sampling(max_tokens=LENGTH, logit_bias={1: -1.5, 2: 0.5}),
    "bad words": Sampling(max_tokens=LENGTH, bad_words=("ab",)),
}
SHORT = Sampling(max_tokens=2)
SHORTEST = Sampling(max_tokens=1)  # four texts of three outcomes each


def chosen(n: int, choose: Callable[[list[Text]], int], law: dict[Text, float]) -> dict[Hashable, float]:
    """The law of the one that `choose` picks among n independent draws, summed over all groups of n texts."""
    best = dict[Hashable, float]()
    for group in product(law, repeat=n):
        mass = 1.0
        for text in group:
            mass *= law[text]
        pick = group[choose(list(group))]
        best[pick] = best.get(pick, 0.0) + mass
    return best


def highest(group: list[Text]) -> int:
    """The first of those that the judge likes best."""
    return max(range(len(group)), key=lambda i: reward_of(group[i]))


def plurality(group: list[Text]) -> int:
    """The first with the answer that most have."""
    answers = [last_letter("".join(" ab"[token] for token in text if token)) for text in group]
    seen = [a for a in answers if a is not None]
    return answers.index(max(seen, key=seen.count)) if seen else 0  # max keeps the first of equals, as the vote does


def _one_is_sampling(method: str) -> float:
    return total_variation(law_of(method, n=1, budget=Budget(pages=40)), text_law())


def _rejecting_nobody() -> float:
    rejection = law_of("speculative-rejection", n=2, alpha=0.0, budget=Budget(pages=5))
    return total_variation(rejection, law_of("best-of-n", n=2))


def _nested(outer: str, inner: str, choose: Callable[[list[Text]], int]) -> float:
    """Two inner searches of two, against the closed form of choosing twice."""
    each = partial(lookup("method", inner).run, n=2, select=lookup("select", lookup("method", inner).select))
    select = lookup("select", lookup("method", outer).select)
    run = partial(nested, n=2, each=each, select=select)
    inside = chosen(2, highest if inner == "best-of-n" else plurality, text_law(SHORTEST))
    outside = chosen(2, choose, inside)  # type: ignore[arg-type]
    return total_variation(law_of(run, SHORTEST), outside)


def _samples(sampling: Sampling) -> Proof:
    return lambda: total_variation(law_of("sample", sampling), text_law(sampling))


PROOFS: Proofs = {
    **{("sample", f"the model's law: {name}"): _samples(sampling) for name, sampling in SAMPLINGS.items()},
    ("greedy", "one-hot"): lambda: total_variation(law_of("greedy"), text_law(SAMPLINGS["temperature 0"])),
    ("best-of-n", "the maximum of n draws"): lambda: total_variation(
        law_of("best-of-n", n=2), chosen(2, highest, text_law())
    ),
    ("best-of-n", "n=1 is sampling"): lambda: _one_is_sampling("best-of-n"),
    ("best-of-n", "of votes"): lambda: _nested("best-of-n", "majority-vote", lambda group: 0),
    ("majority-vote", "the plurality of n draws"): lambda: total_variation(
        law_of("majority-vote", n=2), chosen(2, plurality, text_law())
    ),
    ("majority-vote", "n=1 is sampling"): lambda: _one_is_sampling("majority-vote"),
    ("majority-vote", "each=best-of-n is the plurality of maxima"): lambda: _nested(
        "majority-vote", "best-of-n", plurality
    ),
    ("speculative-rejection", "n=1 is sampling"): lambda: _one_is_sampling("speculative-rejection"),
    ("speculative-rejection", "alpha=0 is best-of-n"): _rejecting_nobody,
}


def searches_have_their_laws() -> dict[str, float]:
    """Claim -> total variation between the enumerated law and the claimed one."""
    return {f"{method}: {claim}": proof() for (method, claim), proof in PROOFS.items()}
