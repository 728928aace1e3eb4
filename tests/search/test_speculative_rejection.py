"""Speculative rejection: what it rejects, what it pays, what it never does."""

from collections.abc import Mapping, Sequence
from math import ceil, nan

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Branch, Budget, Prompt
from ramify.search.speculative_rejection import speculative_rejection
from tests.search.runs import LENGTH, drawn, run, selection
from tests.toys import prompt, toy


def long(seed: int = 0) -> Prompt:
    return prompt(1, 2, 1, 2, 2, seed=seed, max_tokens=30)


@pytest.mark.parametrize("alpha", [-0.1, 1, 1.0, 1.5, nan, "0.5", True, None])
def test_alpha_is_in_the_half_open_interval(alpha: object) -> None:
    with pytest.raises(BadInput, match="alpha"):
        run("speculative-rejection", alpha=alpha)


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("pages", [12, 20, 40])
@pytest.mark.parametrize("seed", range(4))
def test_each_cut_rejects_the_worst(alpha: float, pages: int, seed: int) -> None:
    session = run(
        "speculative-rejection",
        source=long(seed),
        n=8,
        alpha=alpha,
        budget=Budget(pages=pages),
        engine=toy(num_pages=400),
    )
    chosen, alive, ends = selection(session), 8, list(selection(session).ended)
    for round in chosen.rounds:  # `ended` is in the order of the rounds
        assert round["b"] == alive
        length = _upto(chosen.rounds, round)
        following = [r["b"] for r in chosen.rounds[chosen.rounds.index(round) + 1 :]]
        gone = [ends.pop(0) for _ in range(alive - (following[0] if following else 0))]
        rejected = [e for e in gone if e.stopped_because == "rejected"]
        assert all(e.branch.num_generated == length for e in rejected)
        assert len(rejected) <= alive - ceil((1 - alpha) * alive)
        assert all(e.score <= round["cut"] for e in rejected)  # type: ignore[operator]
        alive -= len(gone)
    assert alive == 0
    assert len(chosen.ended) == 8
    finished = [e for e in chosen.ended if e.stopped_because != "rejected"]
    assert chosen.best in finished
    assert chosen.best.score == max(e.score for e in finished)  # type: ignore[type-var]


def _upto(rounds: tuple, last: object) -> int:  # type: ignore[type-arg]
    total = 0
    for round in rounds:
        total += round["tau"]
        if round is last:
            return total
    raise AssertionError


@pytest.mark.parametrize("pages", [12, 20, 40])
@pytest.mark.parametrize("page_size", [1, 2, 4])
def test_no_token_is_read_twice(pages: int, page_size: int) -> None:
    """Neither by the target nor by the reward model; the prompt's pages exist once; the budget's pages suffice."""
    engine, most = toy(page_size, num_pages=400), 0
    step = engine.step

    def watched(branches: Sequence[Branch], limits: Mapping[int, int], chunk: int | None) -> list[Branch]:
        nonlocal most
        drawn = step(branches, limits, chunk)
        if len(engine.branches) > 1:  # the last one alive goes on past the budget
            most = max(most, engine.target.book.unique_pages(engine.branches))
        return drawn

    engine.step = watched  # type: ignore[method-assign]
    ledger = run("speculative-rejection", source=long(), n=8, budget=Budget(pages=pages), engine=engine).ledger
    assert ledger.recomputed_tokens == 0
    assert ledger.model("judge").tokens <= ledger.generated_tokens + ledger.prompt_tokens
    assert ledger.model("target").tokens <= ledger.generated_tokens + ledger.prompt_tokens
    assert most <= pages


def test_it_spends_less_than_best_of_n() -> None:
    tight = Budget(pages=20)
    rejection = run("speculative-rejection", source=long(), n=16, budget=tight, reward=LENGTH)
    plain = run("best-of-n", source=long(), n=16, reward=LENGTH)
    assert rejection.ledger.generated_tokens < plain.ledger.generated_tokens / 2
    assert [e.stopped_because for e in selection(rejection).ended].count("rejected") == 15


def test_what_is_finished_is_never_rejected() -> None:
    for seed in range(20):
        source = prompt(1, 2, seed=seed, ignore_eos=False, max_tokens=30)
        chosen = selection(run("speculative-rejection", source=source, n=12, budget=Budget(pages=20)))
        assert all((e.stopped_because == "rejected") != e.branch.done for e in chosen.ended)


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("n", [10, 20, 100])
def test_alpha_of_the_live_are_rejected(alpha: float, n: int) -> None:
    """Exactly: 0.7 of 10 are 7, though (1 - 0.7) * 10 is 3.0000000000000004."""
    session = run(
        "speculative-rejection", source=long(), n=n, alpha=alpha, budget=Budget(pages=3 * n), engine=toy(num_pages=4000)
    )
    rounds = selection(session).rounds
    assert (rounds[0]["b"], rounds[1]["b"]) == (n, n - round(alpha * n))


def test_alpha_close_to_one_keeps_one() -> None:
    rounds = selection(
        run("speculative-rejection", source=long(), n=6, alpha=1 - 1e-12, budget=Budget(pages=20))
    ).rounds
    assert [r["b"] for r in rounds][:2] == [6, 1]


def test_it_does_not_begin_where_not_one_token_fits() -> None:
    with pytest.raises(Exception, match="pages needed"):
        run("speculative-rejection", source=long(), n=6, budget=Budget(pages=2))


def test_a_token_budget_ends_it() -> None:
    session = run("speculative-rejection", source=long(), n=6, budget=Budget(pages=30, tokens=40))
    assert session.ledger.generated_tokens <= 40
    assert {e.stopped_because for e in selection(session).ended} <= {"rejected", "budget"}
    assert len(drawn(session)) == 6


def test_bad_alpha_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(BadInput):
        next(speculative_rejection(prompt(1, 2), n=4, alpha=2.0))
