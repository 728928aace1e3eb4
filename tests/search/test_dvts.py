"""Diverse verifier tree search: subtrees that never compete, and its simpler settings."""

import pytest

from ramify.core.errors import BadInput
from tests.search.runs import LENGTH, best, drawn, run, selection
from tests.toys import prompt

STEP = {"step": "b", "max_step_tokens": 3}
SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_child_each_is_best_of_n(seed: int) -> None:
    mine, plain = run("dvts", seed=seed, n=6, width=1, **STEP), run("best-of-n", seed=seed, n=6)
    assert (drawn(mine), best(mine)) == (drawn(plain), best(plain))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_subtree_is_beam_with_one_place(seed: int) -> None:
    mine, beam = run("dvts", seed=seed, n=5, width=5, **STEP), run("beam", seed=seed, n=5, width=5, **STEP)
    assert (drawn(mine), best(mine)) == (drawn(beam), best(beam))


@pytest.mark.parametrize(("n", "width", "subtrees"), [(8, 4, 2), (7, 2, 3), (9, 3, 3)])
def test_every_subtree_comes_to_an_end_of_its_own(n: int, width: int, subtrees: int) -> None:
    """Nobody is crowded out: as many texts are written to the end as there are subtrees."""
    session = run("dvts", source=prompt(1, 2, 1, max_tokens=9), reward=LENGTH, n=n, width=width, **STEP)
    chosen = selection(session)
    finished = [e for e in chosen.ended if e.branch.done]
    assert len(finished) >= subtrees
    assert (chosen.rounds[0]["subtrees"], chosen.rounds[-1]["growing"]) == (subtrees, 0)
    assert chosen.best.score == max(e.score for e in finished)  # type: ignore[type-var]
    assert session.ledger.recomputed_tokens == 0


def test_max_steps_leaves_the_best_of_each_subtree() -> None:
    source = prompt(1, 2, 1, max_tokens=9)
    chosen = selection(run("dvts", source=source, n=6, width=3, max_steps=1, step="b", max_step_tokens=1))
    assert [e.stopped_because for e in chosen.ended].count("unfinished") == 2
    assert chosen.best.stopped_because == "unfinished"


@pytest.mark.parametrize("options", [{"n": 0}, {"width": 0}, {"max_steps": 0}, {"step": ""}])
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        run("dvts", **options)
