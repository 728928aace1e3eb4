"""Scores against anchors: planted qualities come back, with fewer comparisons than all pairs."""

import math
from statistics import NormalDist

import pytest

from ramify.core.errors import BadInput
from ramify.maths.anchors import anchored_score

ANCHORS = [-1.5, -0.5, 0.5, 1.5]
PHI = NormalDist().cdf


def test_planted_qualities_are_recovered() -> None:
    """With next to no prior, exact chances give the exact quality, also far outside the anchors."""
    for q in (-3.0, -0.7, 0.0, 1.1, 4.0):
        beats = [PHI((q - a) / (0.9 * math.sqrt(2))) for a in ANCHORS]
        assert anchored_score(beats, ANCHORS, noise=0.9, prior_sd=1e5) == pytest.approx(q, abs=1e-5)


def test_maximum_by_grid() -> None:
    beats = [0.9, 0.8, 0.3, 0.35]

    def posterior(q: float) -> float:
        chances = zip(beats, ANCHORS, strict=True)
        return sum(s * math.log(PHI(q - a)) + (1 - s) * math.log(PHI(a - q)) for s, a in chances) - (q - 0.2) ** 2 / 8

    best = max((k / 1000 for k in range(-4000, 4001)), key=posterior)
    assert anchored_score(beats, ANCHORS, prior_mean=0.2, prior_sd=2.0) == pytest.approx(best, abs=1e-3)


def test_ranks_agree_with_all_pairs_at_fewer_comparisons() -> None:
    qualities = [math.sin(3.7 * i) * 2 for i in range(30)]
    scores = [anchored_score([PHI(q - a) for a in ANCHORS], ANCHORS) for q in qualities]
    pairs = [sum(PHI(q - other) for other in qualities) for q in qualities]
    by_anchor, by_pair = (sorted(range(30), key=key) for key in (scores.__getitem__, pairs.__getitem__))
    assert by_anchor == by_pair
    assert len(ANCHORS) * 30 < 30 * 29 / 2


def test_always_winning_stays_finite() -> None:
    assert 1.0 < anchored_score([1.0] * 4, ANCHORS) < 4.0
    assert anchored_score([1.0], [1000.0]) == pytest.approx(500.0, rel=1e-2)  # half-way between prior and anchor
    assert anchored_score([0.5] * 4, ANCHORS) == pytest.approx(0.0, abs=1e-9)


def test_bad_input() -> None:
    for beats, anchors, says in (([], [], "at least 1"), ([0.5], [], "anchors"), ([1.2], [0.0], "outside"),
                                 ([math.nan], [0.0], "NaN"), ([0.5], [0.0, 1.0], "1 given, 2 needed")):  # fmt: skip
        with pytest.raises(BadInput, match=says):
            anchored_score(beats, anchors)
    with pytest.raises(BadInput, match="noise"):
        anchored_score([0.5], [0.0], noise=0.0)
