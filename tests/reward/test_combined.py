"""Rewards made of other rewards, of likelihoods and of a model's own opinion."""

import math
import sys
from itertools import product
from typing import Any

import pytest

from ramify.core.errors import BadInput, RewardError, UnknownName
from ramify.core.protocols import Combined
from ramify.engine.engine import Engine
from ramify.reward.calibrated import calibrate
from ramify.reward.checker import Checker
from ramify.reward.ensemble import strictest, verdicts, weighted
from ramify.reward.implicit import DRAWN, dpo_implicit
from ramify.reward.likelihood import Likelihood
from ramify.reward.self_evaluation import TEMPLATES, log_odds, self_evaluation
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.toys import prompt, toy

POLICY, LIKELY = ToyModel(salt=3), Likelihood("policy", "likely")
A, B = Checker(lambda prompt, text: len(text) - 2.5), Checker(lambda prompt, text: text.count("b") - 1.0)


def engine() -> Engine:
    made = toy(num_pages=200)
    made.others["likely"] = toy_model("likely", POLICY, scores="logprob", max_positions=64)
    return made


def logprob(model: ToyModel, tokens: list[int], start: int) -> float:
    return sum(float(model.logits(tokens[:at]).log_softmax(-1)[tokens[at]]) for at in range(start, len(tokens)))


def test_a_likelihood_is_the_chain_rule() -> None:
    made = engine()
    branch = made.prefill(prompt(1, 2, 1))
    made.advance([branch], 5)
    want = logprob(POLICY, branch.tokens, 3)
    assert made.score([branch], LIKELY) == pytest.approx([want], abs=1e-12)
    assert made.score([branch], Likelihood("mean", "likely", reduce="mean")) == pytest.approx([want / 5], abs=1e-12)


def test_token_rewards_sum_to_the_texts() -> None:
    """The implicit reward of a text is the sum of what each token adds to it."""
    made, reward = engine(), dpo_implicit("dpo", LIKELY, beta=0.5)
    branch = made.prefill(prompt(1, 2, 1, logprobs=0))
    steps, before = [], 0.0
    for _ in range(6):
        made.advance([branch], 1)
        (now,) = made.score([branch], reward)
        steps.append(now - before)
        before = now
    each = [
        0.5 * (logprob(POLICY, branch.tokens[: at + 1], at) - logprob(ToyModel(), branch.tokens[: at + 1], at))
        for at in range(3, 9)
    ]
    assert steps == pytest.approx(each, abs=1e-12)
    assert math.fsum(steps) == pytest.approx(made.score([branch], reward)[0], abs=1e-12)


def test_tilting_the_reference_by_the_implicit_reward_is_the_policy() -> None:
    """p_reference exp(r / beta) / Z over all texts of three letters; Z = 1, as r is a log-ratio of laws."""
    texts = [[1, 2, 1, *text] for text in product(range(3), repeat=3)]
    reward = dpo_implicit("dpo", LIKELY, beta=0.3)
    tilted = []
    for text in texts:
        reference, policy = logprob(ToyModel(), text, 3), logprob(POLICY, text, 3)
        tilted.append(math.exp(reference + reward.combine([policy, reference]) / 0.3))
    assert math.fsum(tilted) == pytest.approx(1.0, abs=1e-12)
    assert tilted == pytest.approx([math.exp(logprob(POLICY, text, 3)) for text in texts], abs=1e-14)


def test_what_the_policy_cannot_say_is_minus_infinity() -> None:
    assert dpo_implicit("dpo", LIKELY).combine([-math.inf, -3.0]) == -math.inf
    assert dpo_implicit("dpo", LIKELY).combine([-math.inf, -math.inf]) == -math.inf
    assert dpo_implicit("dpo", LIKELY).needs_logprobs
    assert not dpo_implicit("dpo", LIKELY, LIKELY).needs_logprobs
    made = engine()
    branch = made.prefill(prompt(1))
    made.advance([branch], 1)
    with pytest.raises(RewardError, match="logprobs=0"):
        made.score([branch], DRAWN)


def test_opinions_are_raw_log_odds() -> None:
    made = engine()
    branch = made.prefill(prompt(1, 2))
    (score,) = made.score([branch], self_evaluation("judge", None, "ba", ("a", "b")))
    row = ToyModel().logits([1, 2, 2, 1]).log_softmax(-1)
    assert score == pytest.approx(float(row[1] - row[2]), abs=1e-12)
    assert made.score([branch], self_evaluation("judge", None, "ba", ("b", "a"))) == pytest.approx([-score])


@pytest.mark.parametrize(
    ("logprobs", "floor", "want"),
    [
        ((-1.0, -3.0), -math.inf, 2.0),
        ((-30.0, -33.0), -math.inf, 3.0),  # as it is
        ((-30.0, -33.0), -20.0, 0.0),  # it has said something else
        ((-1.0, -33.0), -20.0, 32.0),
        ((-math.inf, -math.inf), -math.inf, 0.0),
        ((-math.inf, -1.0), -math.inf, -math.inf),
        ((-1.0, -math.inf), -math.inf, sys.float_info.max),
        ((math.log(0.3), math.log(0.2)), math.log(0.5) + 1e-9, 0.0),
        ((math.log(0.3), math.log(0.2)), math.log(0.5) - 1e-9, math.log(1.5)),
    ],
)
def test_nonsense_is_no_opinion(logprobs: tuple[float, float], floor: float, want: float) -> None:
    assert log_odds(logprobs, floor) == pytest.approx(want)


def test_templates_and_their_doors() -> None:
    for question, choices in TEMPLATES.values():
        judged = self_evaluation("judge", "small", question, choices, floor=-5.0)
        assert (judged.question, judged.choices, judged.model) == (question, choices, "small")
        assert judged.score([-9.0, -9.5]) == 0.0
    assert TEMPLATES["right"] == ("\nIs this right so far?", (" yes", " no"))
    with pytest.raises(BadInput, match="floor"):
        self_evaluation("judge", floor=0.5)
    with pytest.raises(BadInput, match="choices: two"):
        self_evaluation("judge", choices=("yes",))  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match=r"reduce: unknown 'meen'; did you mean 'mean'"):
        Likelihood("policy", "likely", reduce="meen")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "want"),
    [
        (weighted("sum", [(0.5, A), (-2.0, B)]), lambda a, b: 0.5 * a - 2.0 * b),
        (weighted("one", [(1.0, A), (0.0, B)]), lambda a, b: a),
        (strictest("min", [A, B]), min),
        (verdicts("errors", [A, B]), lambda a, b: -float((a < 0) + (b < 0))),
    ],
)
def test_judges_together(made: Combined, want: Any) -> None:
    engine_ = engine()
    live = engine_.fork(engine_.prefill(prompt(1, 2)), 12)
    for length, branch in enumerate(live):
        if length:
            engine_.advance([branch], length % 5 + 1)
    a, b = engine_.score(live, A), engine_.score(live, B)
    assert len(set(zip(a, b, strict=True))) > 4
    assert engine_.score(live, made) == pytest.approx([want(x, y) for x, y in zip(a, b, strict=True)])


def test_a_judge_of_weight_zero_may_say_minus_infinity() -> None:
    assert weighted("one", [(1.0, A), (0.0, B)]).combine([2.0, -math.inf]) == 2.0
    for make in (strictest, verdicts, weighted):
        with pytest.raises(BadInput, match="no rewards"):
            make("none", [])  # type: ignore[operator]


def test_planted_errors_are_found_by_the_judge_of_their_criterion() -> None:
    """Three criteria, an error against one of them each: verdicts find all, one judge finds its own only."""
    judges = [Checker(lambda prompt, text, letter=letter: 1.0 - 2.0 * (letter in text)) for letter in "xyz"]
    texts = ["fine", "an x", "a y", "a z", "x and z"]
    of = verdicts("errors", judges)
    scores = [of.combine([judge.function("", text) for judge in judges]) for text in texts]
    assert scores == [0.0, -1.0, -1.0, -1.0, -2.0]


def test_calibrated_is_a_quantile_whatever_the_scale() -> None:
    reference = [-3.0, 0.0, 0.0, 8.0]
    quantile = calibrate(reference)(A)
    assert [quantile.combine([r]) for r in (-9.0, -3.0, 0.0, 5.0, 8.0, 9.0)] == [0.0, 0.125, 0.5, 0.75, 0.875, 1.0]
    stretched = calibrate([math.exp(r) for r in reference])(A)
    assert all(stretched.combine([math.exp(r)]) == quantile.combine([r]) for r in (-9.0, -3.0, 0.0, 5.0, 8.0))
    assert quantile.name == "checker, calibrated (identity)"


@pytest.mark.parametrize("how", ["identity", "log", "exponential", "best-of-n", "worst-of-n"])
def test_transforms_keep_the_order(how: str) -> None:
    reward = calibrate([0.0, 1.0, 2.0], how, 3.0)(A)
    found = [reward.combine([r]) for r in (-1.0, 0.0, 0.5, 1.0, 2.0, 3.0)]
    assert found == sorted(found)
    assert len(set(found)) == 6


def test_what_cannot_be_calibrated() -> None:
    with pytest.raises(BadInput, match="reference"):
        calibrate([])
    with pytest.raises(BadInput, match="NaN"):
        calibrate([1.0, math.nan])
    with pytest.raises(UnknownName, match="did you mean 'log'"):
        calibrate([1.0], "logg")
