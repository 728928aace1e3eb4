"""Stopping rules: closed form against quadrature and enumeration."""

import math
from fractions import Fraction
from itertools import product

import pytest
from scipy import integrate, stats

from ramify.core.errors import BadInput, UnknownName
from ramify.maths.adaptive import beta_confidence, dirichlet_confidence, settled, stops


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (3, 1), (7, 7), (30, 12), (900, 850)])
def test_beta_against_quadrature(first: int, second: int) -> None:
    law = stats.beta(first + 1, second + 1)
    value, _ = integrate.quad(law.pdf, 0.5, 1.0, points=[law.mean()] if law.mean() > 0.5 else None)
    assert beta_confidence(first, second) == pytest.approx(value, abs=1e-8)
    assert beta_confidence(first, first) == 0.5


def test_large_counts_continue_the_exact_sum() -> None:
    assert beta_confidence(1010, 990) == pytest.approx(float(stats.beta(1011, 991).sf(0.5)), rel=1e-9)
    assert beta_confidence(1040, 990) == pytest.approx(float(stats.beta(1041, 991).sf(0.5)), rel=1e-9)


def exact_dirichlet(votes: list[int]) -> Fraction:
    """Expand prod_i (1 - e^-x sum_k x^k / k!) into terms c x^a e^-bx and integrate each against the leader's gamma."""
    votes = sorted(votes, reverse=True)
    total = Fraction(0)
    for picks in product(*([None, *range(v + 1)] for v in votes[1:])):
        power, rate, coefficient = votes[0], 1, Fraction(1, math.factorial(votes[0]))
        for k in picks:
            if k is not None:
                power, rate, coefficient = power + k, rate + 1, coefficient * Fraction(-1, math.factorial(k))
        total += coefficient * math.factorial(power) / Fraction(rate) ** (power + 1)
    return total


@pytest.mark.parametrize("votes", [[3, 2], [1, 1, 1], [5, 1, 0], [4, 4, 2], [6, 3, 2, 1], [0, 0, 0, 0], [9]])
def test_dirichlet_against_whole_numbers(votes: list[int]) -> None:
    assert dirichlet_confidence(votes) == pytest.approx(float(exact_dirichlet(votes)), abs=1e-9)


@pytest.mark.parametrize("votes", [(2, 0), (5, 4), (300, 280)])
def test_two_answers_make_dirichlet_beta(votes: tuple[int, int]) -> None:
    assert dirichlet_confidence(votes) == pytest.approx(beta_confidence(*votes), abs=1e-9)


def test_symmetry() -> None:
    assert dirichlet_confidence([4, 4, 4]) == pytest.approx(1 / 3)
    assert dirichlet_confidence([1, 6, 2]) == dirichlet_confidence([6, 2, 1])
    assert dirichlet_confidence([6, 2, 1]) < dirichlet_confidence([6, 2])  # one more to beat


def test_settled_by_enumeration() -> None:
    """Every way the remaining votes may fall, an unseen answer among them."""
    for votes in ([3, 1], [2, 0, 1], [4], [2, 2]):
        for remaining in range(4):
            kept = True
            for rest in product(range(len(votes) + 1), repeat=remaining):
                final = [v + rest.count(i) for i, v in enumerate([*votes, 0])]
                leader = votes.index(max(votes))
                kept &= all(final[leader] > v for i, v in enumerate(final) if i != leader)
            assert settled(votes, remaining) == kept


def test_full_confidence_never_changes_the_vote() -> None:
    """Over all sequences of nine answers out of three: stopping at C = 1 gives the winner of all nine."""
    for answers in product(range(3), repeat=9):
        votes = [0, 0, 0]
        for seen, answer in enumerate(answers, 1):
            votes[answer] += 1
            if stops(votes, 9 - seen, confidence=1.0):
                break
        everything = [answers.count(i) for i in range(3)]
        if seen < 9:
            assert votes.index(max(votes)) == everything.index(max(everything))


def test_stopping() -> None:
    assert not stops([], 40) and not stops([2], 40) and not stops([3], 40)
    assert stops([4], 36)  # 31/32 >= 0.95
    assert not stops([3, 2], 30) and stops([3, 2], 30, confidence=0.5) and stops([3, 2], 0)
    assert stops([3], 40, rule="dirichlet") is stops([3], 40)  # one answer alone still has an unseen one to beat
    assert stops([9, 2, 2, 2], 30) and not stops([9, 2, 2, 2], 30, rule="dirichlet", confidence=0.99)


def test_bad_input() -> None:
    for call, says in (
        (lambda: beta_confidence(1, 2), "second"),
        (lambda: beta_confidence(-1, 0), "first"),
        (lambda: dirichlet_confidence([]), "no answer"),
        (lambda: dirichlet_confidence([1, -1]), "votes"),
        (lambda: settled([1], -1), "remaining"),
        (lambda: stops([1], 3, confidence=0.3), "confidence"),
        (lambda: stops([1], 3, confidence=math.nan), "confidence"),
    ):
        with pytest.raises(BadInput, match=says):
            call()
    with pytest.raises(UnknownName, match="did you mean 'dirichlet'"):
        stops([1], 3, rule="dirichelt")
