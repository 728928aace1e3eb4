"""ThinkSum's aggregators on tables made by hand, and where they coincide."""

import math
from itertools import product as every

import pytest

from ramify.core.errors import BadInput
from ramify.maths.aggregation import hidden_posterior, latent, mixture, posterior, product, ratio

INF = math.inf


def logs(rows: list[list[float]]) -> list[list[float]]:
    return [[math.log(x) if x else -INF for x in row] for row in rows]


P = [[0.5, 0.2, 0.9], [0.1, 0.4, 0.0]]


def exp(values: list[float]) -> list[float]:
    return [math.exp(x) for x in values]


def test_by_hand() -> None:
    assert exp(product(logs(P))) == pytest.approx([0.05, 0.08, 0.0])
    assert exp(mixture(logs(P))) == pytest.approx([0.3, 0.3, 0.45])
    assert exp(mixture(logs(P), [0.25, 0.75])) == pytest.approx([0.2, 0.35, 0.225])
    assert exp(ratio(logs(P), [math.log(0.5), math.log(0.2)])) == pytest.approx([0.5, 0.8, 0.0])
    assert mixture(logs(P), [0.0, 1.0])[2] == -INF


def test_one_row_is_itself() -> None:
    row = logs(P[:1])
    assert product(row) == pytest.approx(row[0]) and mixture(row) == pytest.approx(row[0])
    assert latent([logs(P)], [-7.0]) == pytest.approx(product(logs(P)))


def test_latent_by_enumeration() -> None:
    tables = [P, [[0.3, 0.3, 0.3], [0.2, 0.9, 0.6]], [[0.0, 0.1, 0.2], [0.3, 0.4, 0.5]]]
    prior = [0.2, 0.5, 0.3]
    want = [sum(prior[h] * math.prod(tables[h][f][c] for f in range(2)) for h in range(3)) for c in range(3)]
    found = latent([logs(t) for t in tables], [math.log(p) + 4 for p in prior])
    assert exp(found) == pytest.approx(want)
    shares = hidden_posterior([logs(t) for t in tables], [math.log(p) for p in prior], 0)
    assert shares == pytest.approx([0.2 * 0.05 / want[0], 0.5 * 0.06 / want[0], 0.0])


def test_a_set_is_reasoned_over_where_single_facts_mislead() -> None:
    """Odd one out of a planted set: four words of one hidden topic and one of another; the latent sum finds it."""
    topics = [[0.4, 0.3, 0.2, 0.05, 0.05], [0.02, 0.03, 0.05, 0.4, 0.5]]  # p(word | topic)
    words = [0, 1, 3, 2]  # three of topic 0, and word 3 of topic 1
    tables = [[[math.log(t[w])] for w in words] for t in topics]  # H x F x one candidate
    full = latent(tables, [0.0, 0.0])[0]
    without = [latent([t[:i] + t[i + 1 :] for t in tables], [0.0, 0.0])[0] for i in range(4)]
    assert max(range(4), key=without.__getitem__) == 2
    assert min(range(4), key=lambda i: sum(t[words[i]] for t in topics)) != 2  # alone, word 3 is the likeliest of all
    assert all(full < part for part in without)


def test_posterior() -> None:
    assert posterior([math.log(3) - 900, -900.0, -INF]) == pytest.approx([0.75, 0.25, 0.0])


def test_order_of_facts_does_not_matter() -> None:
    for f, g in every(range(2), repeat=2):
        if f != g:
            assert product(logs([P[f], P[g]])) == product(logs([P[g], P[f]]))


def test_bad_input() -> None:
    for call, says in (
        (lambda: product([]), "no row"),
        (lambda: product([[]]), "at least 1"),
        (lambda: product([[0.0], [0.0, 0.0]]), "row 1 has 2 numbers, row 0 has 1"),
        (lambda: mixture([[math.nan]]), "NaN"),
        (lambda: mixture([[0.0]], [0.5, 0.5]), "weights: 2 given, 1 needed"),
        (lambda: mixture([[0.0], [0.0]], [0.5, 0.1]), "sum to 0.6"),
        (lambda: ratio([[0.0]], [-INF]), "baseline"),
        (lambda: latent([[[0.0]]], [-INF]), "-inf throughout"),
        (lambda: latent([[[0.0]], [[0.0], [0.0]]], [0.0, 0.0]), "2 given, 1 needed"),
        (lambda: latent([[[0.0]], [[0.0, 0.0]]], [0.0, 0.0]), "over hidden choices"),
        (lambda: hidden_posterior([[[0.0]]], [0.0], 1), "candidate: 1 is outside"),
        (lambda: posterior([-INF, -INF]), "all 2 are -inf"),
    ):
        with pytest.raises(BadInput, match=says):
            call()
