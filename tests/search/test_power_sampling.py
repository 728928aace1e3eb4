"""Power sampling: refusals, stages, what a move costs, how it stops."""

from typing import Any

import pytest

from ramify.core.errors import BadInput, Incompatible
from ramify.core.types import Budget
from tests.search.runs import drawn, run, selection
from tests.toys import prompt

LONG = prompt(1, 2, 1, 2, 2, max_tokens=12)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("alpha", {"alpha": 0.0}),
        ("alpha", {"alpha": -2.0}),
        ("proposal", {"proposal": 0.0}),
        ("block", {"block": -1}),
        ("steps", {"steps": -1}),
        ("chains", {"chains": 0}),
        ("burn_in", {"steps": 3, "burn_in": 4}),
        ("choose", {"choose": "last"}),
    ],
)
def test_nonsense_is_refused_by_name(field: str, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=field):
        run("power-sampling", **options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_k", 2),
        ("top_p", 0.9),
        ("min_p", 0.1),
        ("bad_words", ("ab",)),
        ("repetition_penalty", 1.2),
        ("presence_penalty", 0.5),
        ("frequency_penalty", 0.5),
        ("logit_bias", {1: 1.0}),
    ],
)
def test_what_would_change_laws_is_refused_and_says_why(name: str, value: object) -> None:
    with pytest.raises(Incompatible, match=name) as caught:
        run("power-sampling", source=prompt(1, 2, **{name: value}))
    assert ("reach" in str(caught.value)) == (name in ("top_k", "top_p", "min_p", "bad_words"))


def test_plain_sampling_draw_for_draw() -> None:
    run_one = run("power-sampling", alpha=1.0, steps=0, block=0, chains=5)
    assert drawn(run_one) == drawn(run("sample", n=5))
    assert drawn(run("power-sampling", alpha=1.0, steps=0, block=5, chains=5)) == drawn(run("sample", n=5))


@pytest.mark.parametrize("block", [0, 5])
def test_the_power_of_one_accepts_everything_of_one_length(block: int) -> None:
    found = selection(run("power-sampling", source=LONG, alpha=1.0, block=block, steps=4, chains=3))
    assert [r["accepted"] for r in found.rounds] == [3] * len(found.rounds)
    assert len(found.rounds) == (4 if block == 0 else 3 * 4)


def test_a_text_that_ends_early_goes_on_to_the_last_stage() -> None:
    source = prompt(1, 2, 1, 2, 2, ignore_eos=False, max_tokens=12)
    found = selection(run("power-sampling", source=source, block=3, steps=2, chains=6))
    chains = [r["chains"] for r in found.rounds if r["stage"] == 0]
    assert chains == [6, 6]
    assert len(found.ended) == 6 * 3
    assert all(e.branch.done for e in found.ended)


@pytest.mark.parametrize("block", [0, 4])
def test_a_move_reads_and_draws_suffixes_alone(block: int) -> None:
    session = run("power-sampling", source=LONG, steps=10, chains=3, block=block)
    ledger = session.ledger
    assert ledger.recomputed_tokens == 0
    assert ledger.model("target").tokens <= ledger.prompt_tokens + ledger.generated_tokens
    assert "judge" not in ledger.models


def test_scores_are_log_probabilities_and_higher_powers_are_likelier() -> None:
    likely = [
        selection(run("power-sampling", source=LONG, alpha=alpha, steps=30, chains=4, burn_in=30))
        for alpha in (0.25, 1.0, 8.0)
    ]
    mean = [sum(w * (e.score or 0.0) for e, w in zip(s.ended, s.weights or (), strict=True)) for s in likely]
    assert mean[0] < mean[1] < mean[2] < 0.0
    ended = likely[2].ended[0]
    assert ended.score == pytest.approx(sum(t.logprob for t in ended.branch.logprobs))
    assert len(ended.branch.logprobs) == ended.branch.num_generated


@pytest.mark.parametrize("tokens", [3, 30, 90])
def test_a_text_that_the_budget_cut_is_no_proposal(tokens: int) -> None:
    session = run("power-sampling", source=LONG, block=4, steps=3, chains=2, budget=Budget(tokens=tokens))
    found = selection(session)
    assert session.ledger.generated_tokens <= tokens
    assert found.best in found.ended
    assert found.weights is None or sum(found.weights) == pytest.approx(1.0)
    if tokens == 3:
        assert found.weights is None
