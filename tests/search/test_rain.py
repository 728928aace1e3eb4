"""RAIN: looks, commitments, rewinding for free, and its simpler settings."""

import pytest

from ramify.core.errors import BadInput
from tests.search.runs import LENGTH, best, run, selection
from tests.toys import prompt

SEEDS = range(8)
UNENDED = prompt(1, 2, 1, max_tokens=12)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_child_is_a_sample(seed: int) -> None:
    assert best(run("rain", seed=seed, width=1, tokens=2)) == best(run("sample", seed=seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_look_is_beam_with_one_place(seed: int) -> None:
    """Where no text ends early, so that no finished one competes."""
    source = prompt(1, 2, 1, seed=seed, max_tokens=12)
    beam = run("beam", source=source, n=3, width=3, step="never", max_step_tokens=3)
    assert best(run("rain", source=source, simulations=1, width=3, tokens=3)) == best(beam)


def test_it_looks_until_a_piece_suffices() -> None:
    easy = selection(run("rain", source=UNENDED, simulations=9, width=2, tokens=3, visits=3, enough=-1e9))
    hard = selection(run("rain", source=UNENDED, simulations=9, width=2, tokens=3, visits=3, enough=1e9))
    assert max(r["looks"] for r in easy.rounds) <= 3 < max(r["looks"] for r in hard.rounds) <= 9


def test_what_was_committed_stays() -> None:
    """The result runs through every committed piece, and nothing is read twice on the way."""
    session = run("rain", source=UNENDED, reward=LENGTH, simulations=6, width=3, tokens=3)
    chosen = selection(session)
    assert [r["at"] - 3 for r in chosen.rounds] == [3, 6, 9, 12]
    assert chosen.best.branch.num_generated == 12
    assert session.ledger.recomputed_tokens == 0


@pytest.mark.parametrize("option", ["simulations", "width", "tokens", "visits"])
def test_bad_options_are_refused(option: str) -> None:
    with pytest.raises(BadInput, match=f"{option}: 0"):
        run("rain", **{option: 0})
