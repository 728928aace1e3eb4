"""SAR: by hand, and its limits at which it is predictive entropy."""

import math

import pytest

from ramify.core.errors import BadInput
from ramify.maths.relevance import predictive_entropy, sar, sentence_sar, token_relevance, token_sar

LOGP = [[-0.1, -2.0, -0.3], [-1.0, -0.5], [-0.2]]
MEANS = [-0.8, -0.75, -0.2]
NONE = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
SOME = [[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]]


@pytest.mark.parametrize("weight", [1.0, 0.25, 0.0])
def test_equal_relevance_is_predictive_entropy(weight: float) -> None:
    """Tokens alike and samples unlike: the length-normalised predictive entropy."""
    relevance = [[weight] * len(row) for row in LOGP]
    values = sar(LOGP, relevance, NONE)
    assert values == pytest.approx([-m for m in MEANS])
    assert sum(values) / 3 == pytest.approx(predictive_entropy(MEANS))


def test_infinite_temperature_is_predictive_entropy() -> None:
    values = sentence_sar([-3.0, -1.0, -2.0], SOME, 1e12)
    assert sum(values) / 3 == pytest.approx(predictive_entropy([-3.0, -1.0, -2.0]), abs=1e-9)


def test_token_sar_by_hand() -> None:
    assert token_sar([-1.0, -4.0], [3.0, 1.0]) == pytest.approx(7 / 4)
    assert token_sar([-1.0, -math.inf], [1.0, 0.0]) == 1.0  # a token of no relevance does not count
    assert token_sar([-1.0, -math.inf], [1.0, 0.1]) == math.inf
    assert token_relevance([1.0, 0.25, -0.5]) == [0.0, 0.75, 0.5]


def test_sentence_sar_by_hand() -> None:
    p = [0.1, 0.3, 0.2]
    want = [-math.log(0.1 + (0.9 * 0.3 + 0.1 * 0.2) / 0.5), -math.log(0.3 + (0.9 * 0.1 + 0.2 * 0.2) / 0.5),
            -math.log(0.2 + (0.1 * 0.1 + 0.2 * 0.3) / 0.5)]  # fmt: skip
    assert sentence_sar([math.log(x) for x in p], SOME, 0.5) == pytest.approx(want)


def test_a_planted_wrong_keyword_is_seen_through_the_filler() -> None:
    """Two answers of equal likelihood; only in one the doubt is on the token that matters."""
    filler, keyword = [-2.0, -0.1], [-0.1, -2.0]
    relevance = [0.05, 0.95]
    assert sum(filler) == sum(keyword)
    assert token_sar(keyword, relevance) > 3 * token_sar(filler, relevance)


def test_samples_that_agree_are_more_certain() -> None:
    alone, together = sentence_sar([-2.0, -2.0, -2.0], NONE), sentence_sar([-2.0, -2.0, -2.0], SOME)
    assert all(b < a for a, b in zip(alone, together, strict=True))
    assert together[2] > together[0]  # the outsider


def test_no_overflow() -> None:
    assert sentence_sar([-2000.0, -2001.0], [[1, 1], [1, 1]], 1.0)[0] == pytest.approx(2000 - math.log1p(math.exp(-1)))
    assert sentence_sar([-math.inf, -math.inf], [[1, 1], [1, 1]]) == [math.inf, math.inf]
    assert predictive_entropy([-1.0, -math.inf]) == math.inf


def test_bad_input() -> None:
    for call, says in (
        (lambda: token_sar([], []), "at least 1"),
        (lambda: token_sar([-1.0], [1.0, 1.0]), "2 given, 1 needed"),
        (lambda: token_sar([0.5], [1.0]), "outside"),
        (lambda: token_sar([math.nan], [1.0]), "NaN"),
        (lambda: token_sar([-1.0], [-1.0]), "relevance"),
        (lambda: sentence_sar([-1.0, -1.0], [[1.0, 0.5]]), "1 given, 2 needed"),
        (lambda: sentence_sar([-1.0], [[1.5]]), "outside"),
        (lambda: sentence_sar([-1.0], [[1.0]], 0.0), "t: "),
        (lambda: sar(LOGP, [[1.0]], SOME), "relevance: 1 given, 3 needed"),
        (lambda: predictive_entropy([]), "at least 1"),
        (lambda: token_relevance([1.2]), "outside"),
    ):
        with pytest.raises(BadInput, match=says):
            call()
