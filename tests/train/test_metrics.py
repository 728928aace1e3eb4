"""Metrics against counting by hand."""

from itertools import product
from random import Random

import pytest

from ramify.train.evaluate import coverage
from ramify.train.labels import Labelled
from ramify.train.metrics import auc, best, vote, weighted_vote


def test_auc_counts_pairs() -> None:
    random = Random(0)
    for _ in range(50):
        scores = [float(random.randint(0, 6)) for _ in range(12)]
        labels = [random.random() < 0.4 for _ in range(10)] + [True, False]
        right = [s for s, ok in zip(scores, labels, strict=True) if ok]
        wrong = [s for s, ok in zip(scores, labels, strict=True) if not ok]
        pairs = [(r > w) + 0.5 * (r == w) for r, w in product(right, wrong)]
        assert auc(scores, labels) == pytest.approx(sum(pairs) / len(pairs))


def test_auc_needs_both_labels() -> None:
    with pytest.raises(ValueError, match="both labels"):
        auc([1.0, 2.0], [True, True])


def test_best_takes_the_first_of_equals() -> None:
    assert best([0.1, 0.9, 0.9], [False, True, False])
    assert not best([0.1, 0.9, 0.9], [True, False, True])


def test_vote_ignores_silence() -> None:
    texts = ["no answer", "no answer", "no answer", "#### 4", "#### 5", "#### 5"]
    assert vote(texts, [False, False, False, True, False, False]) is False
    assert vote([*texts, "#### 4", "#### 4"], [False] * 3 + [True, False, False, True, True])
    assert vote(["nothing"], [False]) is False


def test_weighted_vote_sums_the_weights() -> None:
    texts = ["#### 4", "#### 5", "#### 5", "nothing"]
    right = [True, False, False, False]
    assert weighted_vote(texts, [0.9, 0.4, 0.4, 9.0], right)
    assert not weighted_vote(texts, [0.7, 0.4, 0.4, 9.0], right)
    assert weighted_vote(["nothing"], [1.0], [False]) is False


def test_coverage_is_the_chance_of_a_subset() -> None:
    def group(outcomes: str) -> list[Labelled]:
        return [Labelled([0], [1], [1], [c == "1"], [], c == "1") for c in outcomes]

    assert coverage([group("1000")], 1) == pytest.approx(0.25)
    assert coverage([group("1000")], 2) == pytest.approx(0.5)
    assert coverage([group("1000"), group("0000")], 4) == pytest.approx(0.5)
