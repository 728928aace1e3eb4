"""From counts and costs to predictions and the advice, against values worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from ramify.api.advising import _Filler, _Watched, prompts_of
from ramify.core.errors import BadInput
from ramify.core.ledger import DraftAccount
from ramify.core.registry import lookup, names
from ramify.speculate.advise import (
    AUTO,
    OFF,
    Costs,
    Counts,
    Estimate,
    Forecast,
    best_setting,
    expected_tokens,
    forecasts,
    median_of,
    places,
    speed_up,
)
from ramify.speculate.coins import Coins
from ramify.speculate.tree import TokenTree, audited

COSTS = Costs(steps={1: 1.0, 3: 1.5, 5: 2.0}, drafts={2: 0.2, 4: 0.3})


def test_expected_tokens() -> None:
    assert expected_tokens([0.5, 0.25], 0) == 1.0
    assert expected_tokens([0.5, 0.25], 1) == 1.5
    assert expected_tokens([0.5, 0.25], 2) == 1.625
    assert expected_tokens([0.5, 0.25], 3) == 1.625 + 0.125 * 0.25, "the last depth goes on"
    assert expected_tokens([0.5, 0.25], 2, drafted=0.5) == 1.3125
    assert expected_tokens([], 5) == 1.0
    assert expected_tokens([1.0], 6) == 7.0


def test_costs_lie_on_lines_between_measured_sizes() -> None:
    assert [COSTS.step(rows) for rows in (1, 2, 3, 4, 5)] == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert COSTS.step(9) == 3.0, "it goes on as it did last"
    assert [COSTS.draft(length) for length in (0, 1, 2, 3, 4)] == pytest.approx([0.0, 0.1, 0.2, 0.25, 0.3])


def test_speed_up() -> None:
    assert speed_up([0.5], 0, COSTS) == 1.0
    assert speed_up([0.5, 0.25], 2, COSTS) == pytest.approx(1.625 / (1.5 + 0.2))
    assert speed_up([1.0], 4, COSTS) == pytest.approx(5 / 2.3)
    half = (1 + 0.5 * 4) / (0.5 * 2.0 + 0.5 * 1.0 + 0.3)
    assert speed_up([1.0], 4, COSTS, drafted=0.5) == pytest.approx(half)


def test_places_add_up_and_have_wilsons_interval() -> None:
    counts = [Counts(9, 8, (8, 6), (6, 3)), Counts(9, 8, (8, 6, 2), (6, 3, 2))]
    first, second, third = places(counts)
    assert [(p.depth, p.tried, p.passed) for p in (first, second, third)] == [(1, 16, 12), (2, 12, 6), (3, 2, 2)]
    assert (first.chance.value, second.chance.value, third.chance.value) == (0.75, 0.5, 1.0)
    assert second.chance.low == pytest.approx(0.2538, abs=1e-4), "6 of 12 by Wilson's formula"
    assert second.chance.high == pytest.approx(0.7462, abs=1e-4)
    assert (third.chance.low, third.chance.high) == (pytest.approx(0.3424, abs=1e-4), 1.0)


def test_prompts_that_differ_widen_the_interval() -> None:
    alike = places([Counts(9, 8, (8,), (4,))] * 4)[0].chance
    apart = places([Counts(9, 8, (8,), (8 * (i % 2),)) for i in range(4)])[0].chance
    assert alike.value == apart.value == 0.5
    assert apart.low < alike.low and apart.high > alike.high


def test_forecasts_are_the_formula_with_intervals_around_it() -> None:
    counts = [Counts(10, 10, (10, 6), (6, 3)), Counts(10, 10, (10, 2), (2, 1))]
    zero, two = forecasts(counts, COSTS, (0, 2))
    assert (zero.value, zero.low, zero.high) == (1.0, 1.0, 1.0)
    assert two.value == pytest.approx(speed_up([0.4, 0.5], 2, COSTS))
    assert two.low == pytest.approx(speed_up([0.2, 0.5], 2, COSTS)), "both draws the second prompt"
    assert two.high == pytest.approx(speed_up([0.6, 0.5], 2, COSTS))


def test_a_ledger_gives_counts() -> None:
    account = DraftAccount()
    account.note(drafted=3, path=1, stood=2)
    account.note(drafted=3, path=3, stood=3)
    assert Counts.of(3, account) == Counts(3, 2, (2, 2, 1), (2, 1, 1))


def test_the_median_of_rounds() -> None:
    found = median_of([1.0, 3.0, 2.0, 2.0, 9.0])
    assert found.value == 2.0
    assert 1.0 <= found.low <= 2.0 <= found.high <= 9.0
    assert median_of([1.5] * 5) == Estimate(1.5, 1.5, 1.5)


def forecast(setting: int | str, value: float, error: float = 0.05) -> Forecast:
    return Forecast(setting, Estimate(2.0, 2.0, 2.0), Estimate(value, value - error, value + error))


def test_the_best_setting_is_the_fastest_measured() -> None:
    assert best_setting([forecast(0, 1.0, 0.0), forecast(4, 2.0), forecast(8, 1.5), forecast(AUTO, 1.4)]) == 4


def test_auto_is_preferred_where_it_is_as_good() -> None:
    assert best_setting([forecast(0, 1.0, 0.0), forecast(4, 2.0), forecast(AUTO, 1.97)]) == AUTO


def test_off_where_plain_decoding_wins() -> None:
    """Whatever was predicted."""
    losing = [forecast(0, 1.0, 0.0), forecast(4, 0.7), forecast(8, 0.5), forecast(AUTO, 0.99)]
    assert best_setting(losing) == OFF
    assert best_setting([*losing, forecast(2, 1.04, 0.06)]) == OFF, "not surely"
    assert best_setting([*losing, forecast(2, 1.01, 0.001)]) == OFF, "not worth it"


def test_a_useless_or_a_dear_draft_is_predicted_to_lose() -> None:
    useless = [Counts(100, 100, (100,), (0,))]
    assert all(each.value < 1.0 for each in forecasts(useless, COSTS, (1, 2, 4)))
    dear = Costs(steps={1: 1.0, 5: 1.0}, drafts={1: 1.0, 4: 4.0})
    assert all(speed_up([0.9], length, dear) < 1.0 for length in (1, 2, 3, 4))


def test_rejections_are_told_by_the_laws() -> None:
    """p and q overlap by 0.6: 0.4 of the tests are rejected, within 4 standard errors (false alarms: 1 in 16,000)."""
    p, q = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.7, 0.1])
    watched = _Watched(lookup("verifier", "standard"))
    for trial in range(2000):
        tree = TokenTree((Coins(trial, 0, "draft").choose(q),), (-1,), {-1: q}, "iid")
        watched.verifier.accept([p, p], tree, Coins(trial, 0, "accept"))
    found = watched.rejections()
    assert found.tests == 2000
    assert found.expected == pytest.approx(800)
    assert found.error == pytest.approx((2000 * 0.4 * 0.6) ** 0.5)
    assert abs(found.rejected - found.expected) < 4 * found.error


@pytest.mark.parametrize("lawful", [True, False])
def test_steps_are_filled_with_drafts_that_any_rule_reads(lawful: bool) -> None:
    tree = audited(_Filler(5, lawful=lawful)((1, 2), 4), 5)
    assert tree.tokens == (0, 0, 0, 0)
    assert tree.parents == (-1, 0, 1, 2)
    assert all(tree.how in lookup("verifier", name).hows for name in names("verifier") if lawful)


def test_prompts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a", "more": 1}\n\n{"prompt": "b"}\n{"prompt": "c"}\n')
    assert prompts_of(path, 2) == ["a", "b"]


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"text": "a"}', '{"prompt": ""}', '{"prompt": 3}'])
def test_files_without_prompts_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(text)
    with pytest.raises(BadInput, match="data: "):
        prompts_of(path, 2)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        prompts_of(tmp_path / "none", 2)
