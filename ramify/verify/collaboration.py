"""What searches in which models take turns claim, enumerated on the toy against closed forms without an engine."""

from collections.abc import Mapping
from functools import partial
from math import inf
from typing import Any

from ramify.core.registry import lookup
from ramify.core.sampling import Sampling
from ramify.toy.enumerate import total_variation
from ramify.toy.model import END, ToyModel
from ramify.verify.guides import chain, p
from ramify.verify.toys import PLAIN, SMALL, TARGET, Proof, Proofs, Text, law_of, reward_of, text_law

LONG = Sampling(max_tokens=4)


def judged(threshold: float, gain: bool, most: int = 2) -> dict[Text, float]:
    """The law of SpecReason's text: steps that end with b, or after `most` tokens."""
    law = dict[Text, float]()

    def steps(model: ToyModel, text: Text) -> Mapping[Text, float]:
        found = dict[Text, float]()

        def walk(more: Text, mass: float) -> None:
            over = len(more) == most or (more and more[-1] in (END, 2)) or len(text) + len(more) == 3
            if over:
                found[(*text, *more)] = mass
                return
            for token, q in enumerate(p(model, (*text, *more))):
                walk((*more, token), mass * q)

        walk((), 1.0)
        return found

    def walk(text: Text, mass: float) -> None:
        if len(text) == 3 or END in text:
            law[text] = law.get(text, 0.0) + mass
            return
        before = reward_of(text) if gain and text else 0.0
        drafts = steps(SMALL, text)
        kept = {new: q for new, q in drafts.items() if reward_of(new) - before >= threshold}
        for new, q in kept.items():
            walk(new, mass * q)
        if lost := 1 - sum(kept.values()) if len(kept) < len(drafts) else 0.0:
            for new, q in steps(TARGET, text).items():
                walk(new, mass * lost * q)

    walk((), 1.0)
    return law


def handed_over(text: Text) -> list[float]:
    """Speculative thinking's row law: steps end with b, and one that begins with a is the target's from there on."""
    since = text[max((i + 1 for i, token in enumerate(text) if token == 2), default=0) :]
    delegated = 2 in text and bool(since) and since[0] == 1
    return p(TARGET if delegated else SMALL, text)


def _search(method: str, want: Mapping[Any, float], sampling: Sampling = PLAIN, **options: Any) -> Proof:
    entry = lookup("method", method)
    run = partial(entry.run, small="small", select=lookup("select", entry.select), **options)
    return lambda: total_variation(law_of(run, sampling), want)


BASE, LITTLE = text_law(), text_law(model=SMALL)
STEPS: dict[str, Any] = {"step": "b", "most": 2}

PROOFS: Proofs = {
    ("spec-reason", "accepted steps, and rewritten ones"): _search(
        "spec-reason", judged(0.0, False), threshold=0.0, **STEPS
    ),
    ("spec-reason", "steps that raise the score"): _search(
        "spec-reason", judged(-0.2, True), threshold=-0.2, gain=True, **STEPS
    ),
    ("spec-reason", "threshold=-inf is the small model"): _search("spec-reason", LITTLE, threshold=-inf, **STEPS),
    ("spec-reason", "threshold=inf is the target's law"): _search("spec-reason", BASE, threshold=inf, **STEPS),
    ("speculative-thinking", "sentences behind a cue are the target's"): _search(
        "speculative-thinking", chain(handed_over, 4), LONG, cues="a", step="b", sentence="b", peek=1
    ),
    ("speculative-thinking", "no cues is the small model"): _search(
        "speculative-thinking", text_law(LONG, SMALL), LONG, cues=(), step="b"
    ),
}
