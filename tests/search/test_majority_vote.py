"""Self-consistency."""

from collections import Counter

import pytest

from tests.search.runs import letter, run, selection


@pytest.mark.parametrize("seed", range(8))
def test_the_answer_is_the_most_frequent(seed: int) -> None:
    chosen = selection(run("majority-vote", seed=seed, reward=None, n=11))
    votes = Counter(e.answer for e in chosen.ended if e.answer is not None)
    assert votes[chosen.best.answer] == max(votes.values())
    assert chosen.best is next(e for e in chosen.ended if e.answer == chosen.best.answer)


def test_nothing_is_scored() -> None:
    session = run("majority-vote", reward=None, n=5)
    assert all(e.score is None for e in selection(session).ended)
    assert set(session.ledger.models) == {"target"}


def test_answers_are_read_off_the_texts() -> None:
    for ended in selection(run("majority-vote", n=7)).ended:
        text = "".join(" ab"[token] for token in ended.branch.generated if token)
        assert ended.answer == letter(text)
