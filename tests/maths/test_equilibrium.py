"""The consensus game: known equilibria, extremes of regularisation, regret."""

import math

import pytest

from ramify.core.errors import BadInput
from ramify.maths.equilibrium import equilibrium, initial_generator

INF = math.inf


def logs(rows: list[list[float]]) -> list[list[float]]:
    return [[math.log(x) if x else -INF for x in row] for row in rows]


G = [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]
D = [[0.6, 0.4], [0.7, 0.3], [0.1, 0.9]]


def test_infinite_regularisation_keeps_the_initial_policies() -> None:
    found = equilibrium(logs(G), logs(D), lambda_g=1e9, lambda_d=1e9, steps=50)
    for row, want in zip((*found.generator, *found.discriminator), (*G, *D), strict=True):
        assert row == pytest.approx(want, abs=1e-7)
    assert found.ranking == (0, 1, 2)  # 0.5 * 0.6, 0.3 * 0.7, 0.2 * 0.1


def gap(price: float, steps: int) -> float:
    """How far the policies are from the regularised best answers to each other."""
    found = equilibrium(logs(G), logs(D), lambda_g=price, lambda_d=2 * price, eta_g=1.0, eta_d=1.0, steps=steps)
    g, d, far = found.generator, found.discriminator, 0.0
    for v in range(2):
        answer = [G[v][y] * math.exp(d[y][v] / 2 / price) for y in range(3)]
        far = max(far, *(abs(a / sum(answer) - x) for a, x in zip(answer, g[v], strict=True)))
    for y in range(3):
        answer = [D[y][v] * math.exp(g[v][y] / 2 / (2 * price)) for v in range(2)]
        far = max(far, *(abs(a / sum(answer) - x) for a, x in zip(answer, d[y], strict=True)))
    return far


@pytest.mark.parametrize(("price", "tolerance"), [(0.1, 0.011), (0.5, 1e-3), (2.0, 1e-3)])
def test_limit_is_an_equilibrium(price: float, tolerance: float) -> None:
    """Neither gains by leaving. The cheaper it is to leave, the slower the averages settle."""
    gaps = [gap(price, steps) for steps in (60, 500, 4000)]
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < tolerance


def test_a_known_equilibrium() -> None:
    """Two candidates, mirror images, price 1: g = sigma(logit 0.6 + (2d - 1) / 2), d = sigma(logit 0.7 + (2g - 1) / 2);
    solved here by iterating that contraction."""
    g, d = 0.6, 0.7
    for _ in range(200):
        g, d = (1 / (1 + math.exp(-math.log(p / (1 - p)) - (2 * x - 1) / 2)) for p, x in ((0.6, d), (0.7, g)))
    found = equilibrium(logs([[0.6, 0.4], [0.4, 0.6]]), logs([[0.7, 0.3], [0.3, 0.7]]), lambda_g=1.0, lambda_d=1.0,
                        eta_g=1.0, eta_d=1.0, steps=3000)  # fmt: skip
    assert found.generator[0][0] == pytest.approx(g, abs=1e-3)
    assert found.discriminator[0][0] == pytest.approx(d, abs=1e-3)
    assert g > 0.65 and d > 0.7


def test_regret_falls() -> None:
    found = equilibrium(logs(G), logs(D), steps=4000)
    for regret in (found.generator_regret, found.discriminator_regret):
        assert regret[-1] < 0.01 and regret[-1] < 0.2 * max(regret)
        late = [regret[t] for t in (250, 500, 1000, 2000, 3999)]
        assert late == sorted(late, reverse=True)
        assert min(regret) >= -1e-12


def test_agreement_settles_what_each_alone_gets_wrong() -> None:
    """Candidate 1 is second for both; the generator alone and the discriminator alone each prefer a bad one."""
    g = [[0.5, 0.45, 0.05], [0.49, 0.02, 0.49]]
    d = [[0.2, 0.8], [0.75, 0.25], [0.8, 0.2]]
    assert equilibrium(logs(g), logs(d)).ranking[0] == 1


def test_order_of_candidates_does_not_matter() -> None:
    turned = equilibrium(logs([row[::-1] for row in G]), logs(D[::-1]), steps=100)
    straight = equilibrium(logs(G), logs(D), steps=100)
    assert turned.generator[0][::-1] == pytest.approx(straight.generator[0])
    assert turned.ranking == tuple(2 - y for y in straight.ranking)


def test_what_cannot_be_said_is_never_said() -> None:
    found = equilibrium(logs([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]), logs([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]), steps=50)
    assert found.generator[0][2] == 0.0 and found.discriminator[0] == (1.0, 0.0)
    assert all(math.isfinite(r) for r in (*found.generator_regret, *found.discriminator_regret))


def test_initial_generator_divides_by_what_is_likely_either_way() -> None:
    correct, incorrect = initial_generator(*logs([[0.6, 0.3], [0.6, 0.1]]))
    assert [math.exp(x) for x in correct] == pytest.approx([0.5 / 1.25, 0.75 / 1.25])
    assert [math.exp(x) for x in incorrect] == pytest.approx([0.5 / 0.75, 0.25 / 0.75])


def test_bad_input() -> None:
    for g, d, says in (
        ([[], []], [], "at least 1"),
        (logs(G), logs(D[:2]), "discriminator: 2 given, 3 needed"),
        (logs(G)[:1], logs(D), "generator: 1 given, 2 needed"),
        ([[0.0, math.nan, 0.0]] * 2, logs(D), "NaN"),
        ([[-INF] * 3, [0.0] * 3], logs(D), "row 0 is -inf throughout"),
        (logs(G), [[0.0, 0.0], [0.0, INF], [0.0, 0.0]], "outside"),
    ):
        with pytest.raises(BadInput, match=says):
            equilibrium(g, d)
    with pytest.raises(BadInput, match="lambda_d"):
        equilibrium(logs(G), logs(D), lambda_d=0.0)
    with pytest.raises(BadInput, match="steps"):
        equilibrium(logs(G), logs(D), steps=0)
    with pytest.raises(BadInput, match="number 1 is -inf under both"):
        initial_generator([0.0, -INF], [0.0, -INF])
