"""Best-of-n with minimum Bayes risk."""

import math

import pytest

from ramify.core.errors import BadInput, UnknownName
from ramify.reward.checker import Checker
from ramify.search.mbr_best_of_n import mbr_best_of_n
from tests.search.runs import best, drawn, run, selection
from tests.search.scripted import SOURCE, Script

FLAT = Checker(lambda prompt, text: 0.0)


@pytest.mark.parametrize("seed", range(6))
def test_ladder(seed: int) -> None:
    plain = run("best-of-n", seed=seed, n=7)
    for utility in ("answer", "token", "character"):
        alone = run("mbr-best-of-n", seed=seed, n=7, beta=0.0, utility=utility)
        assert (drawn(alone), best(alone)) == (drawn(plain), best(plain))
        assert best(run("mbr-best-of-n", seed=seed, n=1, utility=utility)) == best(run("sample", seed=seed))
    assert best(run("mbr-best-of-n", seed=seed, n=9, reward=FLAT)) == best(run("majority-vote", seed=seed, n=9))
    many = selection(run("mbr-best-of-n", seed=seed, n=9, beta=1e12))
    assert many.rounds[many.ended.index(many.best)]["agreement"] == max(r["agreement"] for r in many.rounds)


def test_agreement_outweighs_a_reward_that_is_hacked() -> None:
    """One odd text of high reward against three that agree; how much agreement is worth decides."""
    script = ["xa", "ya", "qb", "za"], [1.0, 1.1, 2.0, 0.9]
    for beta, want in ((0.0, 2), (1.0, 2), (3.0, 1)):
        found = Script(texts=script[0], scores=script[1]).run(mbr_best_of_n(SOURCE, n=4, beta=beta))
        assert found.best is found.ended[want]
        assert [e.score for e in found.ended] == script[1]  # scores stay raw
        assert [r["agreement"] for r in found.rounds] == [0.75, 0.75, 0.25, 0.75]


def test_who_has_no_answer_agrees_with_nobody() -> None:
    found = Script(texts=["", "", "a"], scores=[0.0] * 3).run(mbr_best_of_n(SOURCE, n=3))
    assert found.best is found.ended[2]
    none = Script(texts=["", ""], scores=[-math.inf] * 2).run(mbr_best_of_n(SOURCE, n=2))
    assert none.best is none.ended[0]


def test_bad_input() -> None:
    for wrong in ({"n": 0}, {"beta": -0.1}, {"order": 0}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            run("mbr-best-of-n", **wrong)
    with pytest.raises(UnknownName, match="did you mean 'token'"):
        run("mbr-best-of-n", utility="tokens")
