"""QAlign: refusals, what a step costs, what counts, how it stops."""

import math
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget
from ramify.reward.checker import Checker
from tests.search.runs import drawn, run, selection
from tests.toys import prompt, toy

LONG = prompt(1, 2, 1, 2, 2, max_tokens=12)
FLAT = Checker(lambda prompt, text: 0.25, name="flat")


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("steps", {"steps": -1}),
        ("steps", {"steps": 1.5}),
        ("chains", {"chains": 0}),
        ("beta", {"beta": 0.0}),
        ("burn_in", {"steps": 3, "burn_in": 4}),
        ("choose", {"choose": "last"}),
    ],
)
def test_nonsense_is_refused_by_name(field: str, options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=field):
        run("qalign", **options)


def test_no_steps_are_sample_draw_for_draw() -> None:
    assert drawn(run("qalign", steps=0, chains=5)) == drawn(run("sample", n=5))


def test_flat_rewards_and_equal_lengths_accept_everything() -> None:
    found = selection(run("qalign", source=LONG, reward=FLAT, steps=6, chains=3))
    assert [r["accepted"] for r in found.rounds] == [3] * 6
    assert found.weights == pytest.approx([1 / 21] * 21)


@pytest.mark.parametrize("page_size", [1, 3, 8])
def test_a_step_reads_and_draws_suffixes_alone(page_size: int) -> None:
    session = run("qalign", source=LONG, steps=12, chains=3, engine=toy(page_size, num_pages=400))
    ledger, nodes = session.ledger, list(session.tree.values())
    assert ledger.recomputed_tokens == 0
    assert ledger.generated_tokens == sum(len(n.branch.tokens) - n.branch.forked_at for n in nodes)
    assert ledger.generated_tokens < 0.75 * 12 * len(nodes)  # (12 + 1) / 2 of 12 on average, and whole ones at first
    assert ledger.model("judge").tokens <= ledger.prompt_tokens + ledger.generated_tokens
    pairs = [(n.branch, session.tree[n.branch.parent].branch) for n in nodes if n.branch.parent in session.tree]
    assert len(pairs) == 12 * 3
    assert all(b.tokens[: b.forked_at] == parent.tokens[: b.forked_at] for b, parent in pairs)


@pytest.mark.parametrize("burn_in", [0, 3, 8])
def test_weights_are_shares_of_the_time(burn_in: int) -> None:
    found = selection(run("qalign", source=LONG, steps=8, chains=2, burn_in=burn_in, beta=0.1))
    assert found.weights is not None
    assert len(found.ended) == 2 * 9
    counts = [w * 2 * (9 - burn_in) for w in found.weights]
    assert counts == pytest.approx([round(c) for c in counts])
    assert sum(counts) == pytest.approx(2 * (9 - burn_in))


def test_chains_follow_the_reward() -> None:
    likes_b = Checker(lambda prompt, text: float(text.count("b")), name="b")
    found = selection(run("qalign", source=LONG, reward=likes_b, beta=0.3, steps=60, chains=4, burn_in=60))
    plain = selection(run("sample", source=LONG, n=40))
    last = [e for e, w in zip(found.ended, found.weights or (), strict=True) if w]
    share = [sum(e.branch.generated.count(2) for e in some) / (12 * len(some)) for some in (last, plain.ended)]
    assert share[0] > share[1] + 0.2


def test_what_cannot_be_is_left_and_never_counts() -> None:
    no_a = Checker(lambda p, t: -math.inf if "a" in t[:2] else 1.0, name="no a")
    found = selection(run("qalign", source=LONG, reward=no_a, steps=30, chains=2))
    assert found.weights is not None
    assert all(1 not in e.branch.generated[:2] for e, w in zip(found.ended, found.weights, strict=True) if w)
    never = selection(run("qalign", reward=Checker(lambda p, t: -math.inf, name="never")))
    assert never.weights is None


@pytest.mark.parametrize("tokens", [5, 30, 60])
def test_a_text_that_the_budget_cut_is_no_proposal(tokens: int) -> None:
    session = run("qalign", source=LONG, steps=20, chains=2, budget=Budget(tokens=tokens))
    found = selection(session)
    assert session.ledger.generated_tokens <= tokens
    if tokens == 5:
        assert found.weights is None
    else:
        assert found.weights is not None
        assert all(e.stopped_because == "length" for e in found.ended)
        assert len(found.rounds) < 20
