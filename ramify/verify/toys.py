"""Methods on the toy, every outcome of every draw: what their laws are enumerated with.

The engine has a target, a reward model ("judge"), another writer ("small") and a model that keeps the log-probabilities
of what was drawn ("likely"), each a table of its own. Methods run through the driver as users run them.
"""

from collections.abc import Callable, Hashable
from typing import Any

from ramify.core.protocols import AnyReward
from ramify.core.registry import lookup
from ramify.core.sampling import Sampling
from ramify.core.types import Budget, Guide, Prompt, Selection
from ramify.core.wants import Search
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.engine.session import Session
from ramify.maths.law import final_law
from ramify.reward.outcome import OutcomeReward
from ramify.toy.enumerate import Tape, outcomes
from ramify.toy.model import END, ToyModel
from ramify.toy.runner import toy_model

Text = tuple[int, ...]
TARGET, JUDGE = ToyModel(vocab_size=3, order=2), ToyModel(vocab_size=3, order=2, salt=5)
SMALL, LIKELY = ToyModel(vocab_size=3, order=2, salt=9), ToyModel(vocab_size=3, order=2, salt=3)
PROMPT, LENGTH = (1, 2, 1), 3
REWARD = OutcomeReward("judge", "judge")
PLAIN = Sampling(max_tokens=LENGTH)
Run = Callable[[Prompt], Search[Selection]]


def toy_engine(tape: Tape) -> Engine:
    """A fresh engine whose every draw is the tape's."""
    others = {
        "judge": toy_model("judge", JUDGE, scores=True),
        "small": toy_model("small", SMALL),
        "likely": toy_model("likely", LIKELY, scores="logprob"),
    }
    return Engine(toy_model(model=TARGET), others, draw=tape, toss=tape.toss)


def best_text(session: Session) -> Hashable:
    """The chosen candidate's tokens."""
    assert session.result is not None
    return tuple(session.result.best.branch.generated)


def last_letter(text: str) -> str | None:
    """The answer of a text."""
    return text[-1:] or None


def law_of(
    method: str | Run,
    sampling: Sampling = PLAIN,
    *,
    reward: AnyReward | None = REWARD,
    read: Callable[[Session], Hashable] = best_text,
    budget: Budget | None = None,
    guide: Guide | None = None,
    most: int = 1_000_000,
    **options: Any,
) -> dict[Hashable, float]:
    """The exact law of what `read` makes of a run: every path of draws and tosses, with its probability.

    Args:
        method: a registered name, or a function from the prompt to a search.
        options: the method's own.
    """
    if isinstance(method, str):
        entry = lookup("method", method)
        if entry.select is not None:
            options["select"] = lookup("select", options.get("select", entry.select))
        run: Callable[..., Search[Selection]] = entry.run
    else:
        run = method

    def once(tape: Tape) -> Hashable:
        engine = toy_engine(tape)
        prompt = Prompt(PROMPT, sampling, guide=guide)
        session = run_alone(engine, run(prompt, **options), reward=reward, budget=budget, extract=last_letter)
        engine.check()
        return read(session)

    return outcomes(once, most)


def expectation_of(method: str | Run, read: Callable[[Session], float], **options: Any) -> float:
    """The expected value of a number read off a run (log evidence, a weighted sum), over every path of draws."""
    return sum(value * mass for value, mass in law_of(method, read=read, **options).items())  # type: ignore[misc,operator]


def text_law(sampling: Sampling = PLAIN, model: ToyModel = TARGET) -> dict[Text, float]:
    """The law of a text in closed form: the chain rule over a table, no engine involved."""
    law, rule = dict[Text, float](), sampling.rule(((1, 2),) if sampling.bad_words else ())
    length = sampling.max_tokens or LENGTH

    def walk(text: Text, mass: float) -> None:
        if len(text) == length or (END in text and not sampling.ignore_eos):
            law[text] = law.get(text, 0.0) + mass
            return
        logits_RV = model.logits([*PROMPT, *text])[None]
        for token, p in enumerate(final_law(logits_RV, rule, [PROMPT], [text]).dense(3)[0].tolist()):
            if p > 0:
                walk((*text, token), mass * p)

    walk((), 1.0)
    return law


def reward_of(text: Text) -> float:
    """What the judge says of a generated text (its value at the last token)."""
    return JUDGE.value([*PROMPT, *text])


def normalised(weights: dict[Text, float]) -> dict[Text, float]:
    """Weights divided by their sum."""
    total = sum(weights.values())
    return {text: weight / total for text, weight in weights.items()}


Proof = Callable[[], float]
Proofs = dict[tuple[str, str], Proof]
"""(method, claim) -> a function that returns how far off it is (total variation, or relative error): 0 is exactly."""
