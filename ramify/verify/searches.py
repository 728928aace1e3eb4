"""What the searches claim, enumerated on the toy: every outcome of every draw, run through the driver as users run it.

Each function returns the total variation between the law that a search has and the one it claims (0 is exactly;
rounding of fp64 sums is below 1e-12).
"""

from collections.abc import Callable, Hashable, Iterable
from itertools import product

from ramify.core.registry import lookup
from ramify.core.sampling import Sampling
from ramify.core.types import Budget, Prompt, Selection
from ramify.core.wants import Search
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.maths.law import final_law
from ramify.reward.outcome import OutcomeReward
from ramify.toy.enumerate import Tape, outcomes, total_variation
from ramify.toy.model import END, ToyModel
from ramify.toy.runner import toy_model

TARGET, JUDGE = ToyModel(vocab_size=3, order=2), ToyModel(vocab_size=3, order=2, salt=5)
PROMPT, LENGTH = (1, 2, 1), 3
REWARD = OutcomeReward("judge", "judge")
SAMPLINGS = {
    "plain": Sampling(max_tokens=LENGTH),
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


def text_law(sampling: Sampling, length: int = LENGTH) -> dict[tuple[int, ...], float]:
    """The law of a text in closed form: the chain rule over the toy's table, no engine involved."""
    law, rule = dict[tuple[int, ...], float](), sampling.rule(((1, 2),) if sampling.bad_words else ())

    def walk(text: tuple[int, ...], mass: float) -> None:
        if len(text) == length or END in text:
            law[text] = law.get(text, 0.0) + mass
            return
        logits_RV = TARGET.logits([*PROMPT, *text])[None]
        for token, p in enumerate(final_law(logits_RV, rule, [PROMPT], [text]).dense(3)[0].tolist()):
            if p > 0:
                walk((*text, token), mass * p)

    walk((), 1.0)
    return law


def _law_of(method: str, sampling: Sampling, pages: int | None = None, **options: object) -> dict[Hashable, float]:
    """The exact law of a method's chosen text under the driver."""
    entry = lookup("method", method)
    if entry.select is not None:
        options["select"] = lookup("select", entry.select)

    def run(tape: Tape) -> Hashable:
        others = {"judge": toy_model("judge", JUDGE, scores=True)}
        engine = Engine(toy_model(model=TARGET), others, draw=tape)
        search: Search[Selection] = entry.run(Prompt(PROMPT, sampling), **options)
        session = run_alone(engine, search, reward=REWARD, budget=Budget(pages=pages), extract=_last_letter)
        engine.check()
        assert session.result is not None
        return tuple(session.result.best.branch.generated)

    return outcomes(run)


def _last_letter(text: str) -> str | None:
    return text[-1:] or None


def _decoded(text: Iterable[int]) -> str:
    return "".join(chr(96 + token) for token in text if token)


def _chosen(n: int, choose: Callable[[list[tuple[int, ...]]], int]) -> dict[Hashable, float]:
    """The law of a choice among n independent texts, by going through all n-tuples."""
    law, texts = dict[Hashable, float](), text_law(SAMPLINGS["plain"])
    for group in product(texts, repeat=n):
        mass = 1.0
        for text in group:
            mass *= texts[text]
        best = group[choose(list(group))]
        law[best] = law.get(best, 0.0) + mass
    return law


def _reward(text: tuple[int, ...]) -> float:
    return JUDGE.value([*PROMPT, *text])


def _highest(group: list[tuple[int, ...]]) -> int:
    return max(range(len(group)), key=lambda i: _reward(group[i]))


def _majority(group: list[tuple[int, ...]]) -> int:
    answers = [_last_letter(_decoded(text)) for text in group]
    seen = [a for a in answers if a is not None]
    return answers.index(max(seen, key=seen.count)) if seen else 0  # max keeps the first of equals, as the vote does


def searches_have_their_laws() -> dict[str, float]:
    """Claim -> total variation between the enumerated law and the claimed one."""
    plain, rows = SAMPLINGS["plain"], dict[str, float]()
    texts = text_law(plain)
    for name, sampling in SAMPLINGS.items():
        rows[f"sample is the model's law: {name}"] = total_variation(_law_of("sample", sampling), text_law(sampling))
    rows["greedy is one-hot"] = total_variation(_law_of("greedy", plain), text_law(SAMPLINGS["temperature 0"]))
    best, vote = _law_of("best-of-n", plain, n=2), _law_of("majority-vote", plain, n=2)
    rows["best-of-n is the maximum of n draws"] = total_variation(best, _chosen(2, _highest))
    rows["majority-vote is the plurality of n draws"] = total_variation(vote, _chosen(2, _majority))
    for method in ("best-of-n", "majority-vote", "speculative-rejection"):
        rows[f"{method} with n=1 is sampling"] = total_variation(_law_of(method, plain, n=1, pages=40), texts)
    rejection = _law_of("speculative-rejection", plain, n=2, alpha=0.0, pages=5)
    rows["speculative-rejection with alpha=0 is best-of-n"] = total_variation(rejection, best)
    return rows
