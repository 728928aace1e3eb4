"""Bradley-Terry with reputations: planted rankings come back, adversaries do not carry the day."""

import math
import random
from collections import Counter
from itertools import combinations

import pytest

from ramify.core.errors import BadInput
from ramify.maths.pairwise import Consensus, Judgement, bradley_terry, consensus

STRENGTH = [2.0, 1.0, 0.0, -1.0, -2.0]


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def said_by(judge: int, strength: list[float], *, turned: bool = False) -> list[Judgement]:
    """Exact soft judgements of every pair."""
    pairs = combinations(range(len(strength)), 2)
    chances = [(i, j, sigma(strength[i] - strength[j])) for i, j in pairs]
    return [Judgement(judge, i, j, 1 - s if turned else s) for i, j, s in chances]


def drawn_by(judge: int, strength: list[float], dice: random.Random, *, turned: bool = False) -> list[Judgement]:
    """The same, each rounded to a sure word by chance."""
    return [Judgement(judge, p.i, p.j, float(dice.random() < p.s)) for p in said_by(judge, strength, turned=turned)]


def test_exact_judgements_give_the_planted_strengths() -> None:
    found = bradley_terry(said_by(0, STRENGTH), 5, prior=1e-9)
    assert found == pytest.approx(STRENGTH, abs=1e-6)


def test_two_candidates_in_closed_form() -> None:
    """3 wins, 1 loss, next to no prior: the log odds."""
    judgements = [Judgement(0, 0, 1, 1.0)] * 3 + [Judgement(0, 1, 0, 1.0)]
    strong, weak = bradley_terry(judgements, 2, prior=1e-9)
    assert strong - weak == pytest.approx(math.log(3), abs=1e-6)


def test_slope_is_zero_at_the_fit() -> None:
    """Stationarity, checked from the formula: expected wins equal actual ones, virtual games included."""
    dice, prior = random.Random(1), 0.3
    judgements = [p for judge in range(3) for p in drawn_by(judge, STRENGTH, dice)]
    theta = bradley_terry(judgements, 5, prior=prior)
    shift = min((abs(sum(sigma(x + c) - 0.5 for x in theta)), c) for c in [k / 1e4 for k in range(-5000, 5001)])[1]
    for i in range(5):  # bradley_terry centres what it returns, the virtual opponent stands at -shift
        slope = 2 * prior * (0.5 - sigma(theta[i] + shift))
        for p in judgements:
            if i in (p.i, p.j):
                won, other = (p.s, p.j) if i == p.i else (1 - p.s, p.i)
                slope += won - sigma(theta[i] - theta[other])
        assert slope == pytest.approx(0.0, abs=1e-3)


def test_always_winning_stays_finite_and_never_compared_stays_in_the_middle() -> None:
    theta = bradley_terry([Judgement(0, 0, 1, 1.0)] * 50, 3)
    assert theta[0] > theta[2] > theta[1]
    assert math.isfinite(theta[0]) and theta[2] == pytest.approx(0.0, abs=1e-9)
    assert bradley_terry([], 3) == [0.0, 0.0, 0.0]


def test_planted_ranking_survives_three_adversaries_in_ten() -> None:
    """20 fixed seeds, all of them; reputations of all adversaries below all honest ones."""
    for seed in range(20):
        dice = random.Random(seed)
        judgements = []
        for judge in range(10):
            for _ in range(3):
                judgements += drawn_by(judge, [1.5 * x for x in STRENGTH], dice, turned=judge < 3)
        found = consensus(judgements, 5)
        assert found.ranking == (0, 1, 2, 3, 4)
        assert max(found.reputation[:3]) < 0.5 < min(found.reputation[3:])


def test_reputation_sharpens_the_fit() -> None:
    """Adversaries pull equal-weight strengths together; with reputations the honest fit is restored exactly."""
    honest = [p for judge in range(3, 10) for p in said_by(judge, STRENGTH)]
    liars = [p for judge in range(3) for p in said_by(judge, STRENGTH, turned=True)]
    equal = bradley_terry(liars + honest, 5, prior=1e-6)
    weighted = consensus(liars + honest, 5, prior=1e-6).strength
    assert equal[0] - equal[4] < 0.5 * (STRENGTH[0] - STRENGTH[4])
    assert weighted == pytest.approx(STRENGTH, abs=1e-3)


def test_beats_plurality_when_wrong_answers_agree() -> None:
    """Five copies of one wrong answer, three right ones: judges that are right 70% of the time find a right one."""
    answers, right, plurality = ["wrong"] * 5 + ["right"] * 3, 0, 0
    for seed in range(50):
        dice = random.Random(seed)
        quality = [float(a == "right") * math.log(0.7 / 0.3) for a in answers]
        judgements = [p for judge in range(5) for p in drawn_by(judge, quality, dice)]
        right += answers[consensus(judgements, 8).ranking[0]] == "right"
        plurality += Counter(answers).most_common(1)[0][0] == "right"
    assert (right, plurality) == (pytest.approx(50, abs=4), 0)


def test_reputations_may_be_given() -> None:
    """Two against two: who is trusted to begin with decides."""
    judgements = [p for judge in range(4) for p in said_by(judge, STRENGTH, turned=judge < 2)]
    assert consensus(judgements, 5, reputation=[0.5, 0.5, 0.9, 0.9]).ranking == (0, 1, 2, 3, 4)
    assert consensus(judgements, 5, reputation=[0.9, 0.9, 0.5, 0.5]).ranking == (4, 3, 2, 1, 0)


def test_nobody_spoke() -> None:
    assert consensus([], 3) == Consensus((0.0, 0.0, 0.0), (), (0, 1, 2))


def test_bad_input() -> None:
    good = Judgement(0, 0, 1, 0.5)
    for judgements, count, says in (
        ([good], 0, "num_candidates"),
        ([Judgement(0, 1, 1, 0.5)], 2, "with itself"),
        ([good, Judgement(0, 0, 2, 0.5)], 2, "judgement 1, j"),
        ([Judgement(0, 0, 1, math.nan)], 2, "judgement 0, s"),
        ([Judgement(0, 0, 1, 1.5)], 2, "judgement 0, s"),
        ([Judgement(-1, 0, 1, 0.5)], 2, "judge"),
    ):
        with pytest.raises(BadInput, match=says):
            bradley_terry(judgements, count)
    with pytest.raises(BadInput, match="prior"):
        bradley_terry([good], 2, prior=0.0)
    with pytest.raises(BadInput, match="weights"):
        bradley_terry([good], 2, weights=[])
    with pytest.raises(BadInput, match="reputation"):
        consensus([good], 2, reputation=[1.5])
