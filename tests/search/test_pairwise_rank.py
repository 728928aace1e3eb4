"""Peer-ranked consensus."""

import math
from collections.abc import Sequence

import pytest

from ramify.core.errors import BadInput
from ramify.maths.votes import plurality
from ramify.search.pairwise_rank import pairwise_rank
from tests.search.runs import best, run
from tests.search.scripted import SOURCE, Opinion, Script


def shown(text: str) -> tuple[str, str]:
    """The two candidates of a comparison in the built-in words."""
    first, second = text.removeprefix("QFirst:\n").split("\nSecond:\n")
    return first, second


def judge(strength: str, *, bias: float = 0.0, sign: float = 1.0) -> Opinion:
    """Prefers what stands further right in `strength`, likes first places by `bias`; `sign` -1 lies."""

    def opinion(text: str, question: str, choices: Sequence[str], by: str | None) -> list[float]:
        assert (question, tuple(choices)) == ("\nWhich is right?", (" first", " second"))
        first, second = (strength.index(each) for each in shown(text))
        log_odds = bias + sign * (first - second)
        return [-math.log1p(math.exp(-log_odds)), -math.log1p(math.exp(log_odds))]

    return opinion


@pytest.mark.parametrize("bias", [0.0, 2.0, -8.0])
def test_a_planted_ranking_is_recovered(bias: float) -> None:
    """Whatever the judge thinks of first places as such."""
    script = Script(texts=list("cadb"), opinion=judge("abcd", bias=bias))
    found = script.run(pairwise_rank(SOURCE, n=4))
    assert found.best is found.ended[2]
    ranked = sorted(range(4), key=lambda i: -(found.ended[i].score or 0.0))
    assert [script.texts[i] for i in ranked] == list("dcba")
    assert len(script.asked) == 12


def test_it_beats_a_vote_where_wrong_answers_agree() -> None:
    texts = ["w", "w", "w", "r", "v"]
    found = Script(texts=texts, opinion=judge("vwr")).run(pairwise_rank(SOURCE, n=5))
    assert texts[plurality(texts)] == "w"
    assert found.ended.index(found.best) == 3
    assert found.ended[0].score == found.ended[1].score  # equal texts are one


def test_reputation_silences_a_liar() -> None:
    honest, liar = judge("abcd"), judge("abcd", sign=-3.0)

    def opinion(text: str, question: str, choices: Sequence[str], by: str | None) -> list[float]:
        return (liar if by == "liar" else honest)(text, question, choices, by)

    script = Script(texts=list("abcd"), opinion=opinion)
    found = script.run(pairwise_rank(SOURCE, n=4, judge=("one", "liar", "two", "three", "four")))
    assert found.best is found.ended[3]
    reputation = {r["judge"]: r["reputation"] for r in found.rounds}
    assert reputation["liar"] < 0.3 < 0.7 < min(reputation[name] for name in ("one", "two", "three", "four"))


def test_a_judge_of_nonsense_prefers_nobody() -> None:
    for answer in ([-math.inf, -math.inf], [-40.0, -40.0]):
        found = Script(texts=["", "a", "b"], opinion=lambda *asked, a=answer: a).run(pairwise_rank(SOURCE, n=3))  # type: ignore[misc]
        assert found.best is found.ended[1]
        assert (found.ended[0].score, found.ended[1].score) == (-math.inf, found.ended[2].score)


def test_texts_may_hold_places() -> None:
    script = Script(texts=["{second}", "{first}"], opinion=lambda *asked: [-1.0, -2.0])
    script.run(pairwise_rank(SOURCE, n=2))
    assert sorted(script.asked) == ["QFirst:\n{first}\nSecond:\n{second}", "QFirst:\n{second}\nSecond:\n{first}"]


def test_nothing_to_compare() -> None:
    for texts in (["a"], ["a", "a"], ["", ""]):
        script = Script(texts=texts)
        found = script.run(pairwise_rank(SOURCE, n=len(texts)))
        assert (found.best, script.asked) == (found.ended[0], [])
    assert best(run("pairwise-rank", n=1, seed=3)) == best(run("sample", seed=3))


def test_bad_input() -> None:
    for field, wrong in (("n", 0), ("template", "{first}"), ("choices", ("a",)), ("choices", ("a", "b", "c"))):
        with pytest.raises(BadInput, match=field):
            run("pairwise-rank", **{field: wrong})
