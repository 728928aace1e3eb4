"""Equilibrium ranking: the candidate that a generator and a discriminator come to agree on.

Jacob et al., "The Consensus Game: Language Model Generation via Equilibrium Search", arXiv:2310.09139 (the game
itself is `ramify.maths.equilibrium`).

    y           candidates: the different texts among n draws        v    correct or incorrect
    pi_G(y|v)   generator: log P(y) behind the prompt as `correct` and as `incorrect` word it
    pi_D(v|y)   discriminator: P(yes), P(no) behind the text and a question
    price       how dear it is to leave the initial policies (lambda_G = lambda_D), eta the learning rate

Target: the maximiser of pi_G(y|correct) pi_D(correct|y) once both have learned (the earliest of equals). n = 1 is plain
sampling; a price to infinity ranks by the initial policies alone.
Departures: likelihoods are of the texts encoded again, without their end token; they are what the target (or `judge`)
says raw, whatever the temperature. Empty texts are no candidates unless there is nothing else. A discriminator that
finds both answers impossible says 1/2.
"""

import math

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.template import filled, listed, with_places
from ramify.core.types import Branch, Ended, Prompt, Selection, best_of
from ramify.core.wants import Advance, Answers, Ask, Finish, Fork, PromptText, Rephrase, Search, Texts
from ramify.maths.equilibrium import Equilibrium, equilibrium, initial_generator

CORRECT, INCORRECT = "{prompt}", "{prompt}A wrong solution:\n"
QUESTION, CHOICES = "\nIs this right so far?", (" yes", " no")


def consensus_game(
    prompt: Prompt,
    *,
    n: int = 8,
    judge: str | None = None,
    correct: str = CORRECT,
    incorrect: str = INCORRECT,
    question: str = QUESTION,
    choices: tuple[str, str] = CHOICES,
    price: float = 0.1,
    eta: float = 0.1,
    steps: int = 500,
) -> Search[Selection]:
    """n branches to their ends, two likelihoods and one question for each different text, then the game.

    Raises:
        BadInput: n or steps below 1, a price or eta not above 0, a wording without {prompt}, or other than two choices.
    """
    whole("n", n, 1, 1024)
    whole("steps", steps, 1, 1 << 24)
    for field, value in (("price", price), ("eta", eta)):
        if finite(field, value) <= 0.0:
            raise BadInput(field, f"{value} is not above 0")
    wordings = [with_places("correct", correct, "prompt"), with_places("incorrect", incorrect, "prompt")]
    if len(listed("choices", choices, least=2)) != 2:
        raise BadInput("choices", f"two are expected, not {len(choices)}")
    live = yield Fork(prompt, n)
    yield Advance(live, Finish())
    answers = yield Answers(live)
    texts = yield Texts(live)
    first = dict[str, Branch]()
    for branch in live:
        if texts[branch]:
            first.setdefault(texts[branch], branch)
    score = dict[str, float]()
    if len(first) > 1:
        stem = yield PromptText(prompt)
        behind = yield Rephrase(prompt, [filled(wording, prompt=stem) for wording in wordings])
        generator = yield Ask(behind, "", list(first), judge)
        discriminator = yield Ask(list(first.values()), question, choices, judge)
        played = _play(generator, discriminator, price, eta, steps)
        agreed = zip(played.generator[0], played.discriminator, strict=True)
        score = dict(zip(first, (g * d[0] for g, d in agreed), strict=True))
    ended = tuple(Ended.of(b, score.get(texts[b], 1.0 if texts[b] else 0.0), answers[b]) for b in live)
    return Selection(best_of(ended), ended)


def _play(
    generator: list[list[float]], discriminator: list[list[float]], price: float, eta: float, steps: int
) -> Equilibrium:
    opinions = [row if max(row) > -math.inf else [0.0] * len(row) for row in discriminator]
    return equilibrium(
        initial_generator(*generator),
        opinions,
        lambda_g=price,
        lambda_d=price,
        eta_g=eta,
        eta_d=eta,
        steps=steps,
    )


METHOD = Method(
    name="consensus-game",
    run=consensus_game,
    summary="rank n texts by an equilibrium between the model as generator and as discriminator",
    paper="arXiv:2310.09139",
    law="the maximiser of pi_G(y|correct) pi_D(correct|y) at the equilibrium, among n independent draws",
    needs="a model that can say whether a text is right",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method consensus-game -n 8',
    models=("judge",),
)
