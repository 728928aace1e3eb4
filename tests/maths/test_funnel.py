"""The choice funnel: a planted label bias is removed, and stopping keeps to its rules."""

import math
import random
from collections.abc import Sequence

import pytest

from ramify.core.errors import BadInput
from ramify.maths.funnel import Funnelled, Offer, choice_funnel, debiased, label_prior

BIAS = [2.5, 0.0, 0.5, -1.0, 0.0, -1.5]  # of labels A to F: log-appeal of its own
NONE_OF_THESE = 1.5


class Biased:
    """A model of options' true scores that also likes some labels more than others."""

    def __init__(self, scores: Sequence[float], bias: Sequence[float] = BIAS) -> None:
        self.scores, self.bias = scores, bias

    def labels(self, values: Sequence[float]) -> list[float]:
        logits = [value + bias for value, bias in zip(values, self.bias, strict=False)]
        total = math.log(sum(map(math.exp, logits)))
        return [x - total for x in logits]

    def answer(self, offer: Offer) -> list[float]:
        return self.labels([*(self.scores[i] for i in offer.options), *([NONE_OF_THESE] if offer.abstain else [])])

    def permuted(self) -> list[list[float]]:
        m = len(self.scores)
        return [self.labels([self.scores[(i + j) % m] for i in range(m)]) for j in range(m)]


def run(model: Biased, prior: Sequence[float] | None, **options: float) -> Funnelled:
    funnel = choice_funnel(len(model.scores), prior, **options)
    offer = next(funnel)
    while True:
        try:
            offer = funnel.send(model.answer(offer))
        except StopIteration as stop:
            found: Funnelled = stop.value
            return found


def question(dice: random.Random) -> tuple[Biased, set[int]]:
    right = {i for i in range(6) if dice.random() < 0.5} or {0}
    return Biased([dice.gauss(3.0 if i in right else 0.0, 0.3) for i in range(6)]), right


def test_prior_is_the_planted_bias() -> None:
    prior = label_prior(Biased([1.0, -2.0, 0.3, 3.0, 0.0, 0.7]).permuted())
    total = sum(map(math.exp, BIAS))
    assert prior == pytest.approx([math.exp(b) / total for b in BIAS])


def test_debiasing_restores_the_unbiased_law() -> None:
    scores = [1.0, -2.0, 0.3, 3.0, 0.0, 0.7]
    prior = label_prior(Biased([0.4, 0.1, 2.0, 0.0, -1.0, 0.5]).permuted())  # measured on another question
    fair = [math.exp(x) for x in Biased(scores, [0.0] * 6).labels(scores)]
    assert debiased(Biased(scores).labels(scores), prior) == pytest.approx(fair)
    assert max(range(6), key=Biased(scores).labels(scores).__getitem__) != 3


def test_exact_match_rises_with_fewer_passes_than_options() -> None:
    """200 fixed questions: all right with the bias removed, most wrong with it; passes stay below one per option."""
    dice = random.Random(3)
    prior = label_prior(question(dice)[0].permuted())
    exact, biased, passes = 0, 0, 0
    for _ in range(200):
        model, right = question(dice)
        found = run(model, prior, confident=1.0)
        exact += set(found.chosen) == right
        biased += set(run(model, None, confident=1.0).chosen) == right
        passes += found.rounds
    assert exact == 200 and biased < 100
    assert passes < 200 * 6


def test_why_it_stops() -> None:
    fair = [0.0] * 6
    assert run(Biased([5.0, 0.0, 4.0], fair), None, confident=1.0) == Funnelled(
        (0, 2),
        pytest.approx((0.7275, 0.909), abs=1e-3),
        "abstained",
        3,  # type: ignore[arg-type]
    )
    assert run(Biased([9.0, 0.0, 1.0], fair), None).stopped_because == "confident"
    assert run(Biased([5.0, 4.9], fair), None, confident=1.0).stopped_because == "exhausted"
    unlikely = run(Biased([0.0, 0.1, 0.2], fair), None, least=0.5)
    assert (unlikely.chosen, unlikely.stopped_because) == ((), "unlikely")
    assert run(Biased([0.0], fair), None).chosen == (0,)  # one option, nothing to decline it with


def test_offers() -> None:
    funnel = choice_funnel(3, confident=1.0)
    assert next(funnel) == Offer((0, 1, 2), False, ())
    assert funnel.send([0.0, 3.0, 1.0]) == Offer((0, 2), True, (1,))
    assert funnel.send([0.0, 3.0, 1.0]) == Offer((0,), True, (1, 2))


def test_bad_input() -> None:
    for count, prior, options, says in (
        (0, None, {}, "num_options"),
        (2, [1.0], {}, "1 labels, 2 options"),
        (2, [0.5, 0.4], {}, "sum to 0.9"),
        (2, None, {"confident": 1.5}, "confident"),
        (2, None, {"least": math.nan}, "least"),
    ):
        with pytest.raises(BadInput, match=says):
            next(choice_funnel(count, prior, **options))  # type: ignore[arg-type]
    for answer, says in (([0.0], "1 given, 2 needed"), ([0.0, math.nan], "NaN"), ([-math.inf] * 2, "all 2 are -inf")):
        funnel = choice_funnel(2)
        next(funnel)
        with pytest.raises(BadInput, match=says):
            funnel.send(answer)
    with pytest.raises(BadInput, match="label 1 has none"):
        debiased([0.0, 0.0], [1.0, 0.0])
    with pytest.raises(BadInput, match="1 given, 2 needed"):
        label_prior([[0.0, 0.0]])
