"""Best-of-N."""

import pytest

from tests.search.runs import LENGTH, drawn, length, run, selection


@pytest.mark.parametrize("seed", range(8))
def test_the_best_has_the_highest_reward(seed: int) -> None:
    chosen = selection(run("best-of-n", seed=seed, reward=LENGTH, n=9))
    scores = [e.score for e in chosen.ended]
    assert chosen.best.score == max(scores)  # type: ignore[type-var]
    assert chosen.ended.index(chosen.best) == scores.index(chosen.best.score)  # the earliest of equals
    assert scores == [length("", str(e.answer or "")[-1:] and _text(e.branch.generated)) for e in chosen.ended]


def _text(tokens: list[int]) -> str:
    return "".join(" ab"[token] for token in tokens if token)


def test_candidates_differ() -> None:
    assert len({tuple(tokens) for tokens in drawn(run("best-of-n", n=20))}) > 5


def test_every_candidate_is_scored_once_it_is_done() -> None:
    session = run("best-of-n", n=6)
    assert all(e.branch.done and e.score is not None for e in selection(session).ended)
    assert session.ledger.model("judge").tokens <= session.ledger.generated_tokens + session.ledger.prompt_tokens
