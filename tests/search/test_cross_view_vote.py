"""Cross-view consistency."""

from itertools import product

import pytest

from ramify.core.errors import BadInput
from ramify.maths.votes import plurality
from ramify.search.cross_view_vote import cross_view_vote
from tests.search.runs import best, drawn, run, selection
from tests.search.scripted import SOURCE, Script


@pytest.mark.parametrize("seed", range(6))
def test_one_view_is_majority_vote(seed: int) -> None:
    one, vote = run("cross-view-vote", seed=seed, n=9, views=["{prompt}"]), run("majority-vote", seed=seed, n=9)
    assert (drawn(one), best(one)) == (drawn(vote), best(vote))
    assert best(run("cross-view-vote", seed=seed, n=1)) == best(run("sample", seed=seed))


def test_draws_are_shared_out() -> None:
    views = ("{prompt}", "x {prompt}", "{prompt} y")
    found = Script(texts=list("abcdefgh")).run(cross_view_vote(SOURCE, n=8, views=views))
    assert [r["view"] for r in found.rounds] == [views[0]] * 3 + [views[1]] * 3 + [views[2]] * 2
    assert [r["answer"] for r in found.rounds] == list("abcdefgh")


def test_views_hold_the_prompts_text() -> None:
    """Also that of a prompt given as tokens; braces in the prompt stay; a translation needs no place."""
    session = run("cross-view-vote", n=3, views=("{prompt}ba", "ab", "{prompt}"))
    prompts = {tuple(n.branch.tokens[: n.branch.num_prompt]) for n in session.tree.values()}
    assert prompts == {(1, 1, 2, 1, 2, 2, 2, 1), (1, 1, 2), (1, 2, 1, 2, 2)}
    assert len({n.branch.address for n in session.tree.values()}) == 3


def test_errors_that_belong_to_a_view_do_not_add_up() -> None:
    """Right in 4 of 10 draws behind every view, else the view's own wrong answer: three draws, one vote, exactly."""
    right, chance = "r", {True: 0.4, False: 0.6}

    def accuracy(wrong: tuple[str, str, str]) -> float:
        total = 0.0
        for rights in product([True, False], repeat=3):
            answers = [right if ok else w for ok, w in zip(rights, wrong, strict=True)]
            mass = chance[rights[0]] * chance[rights[1]] * chance[rights[2]]
            total += mass * (answers[plurality(answers)] == right)
        return total

    same, cross = accuracy(("w", "w", "w")), accuracy(("u", "v", "w"))
    assert same == pytest.approx(0.352)  # 3 * 0.16 * 0.6 + 0.064
    assert cross == pytest.approx(0.352 + 0.144)  # and the first draw alone, where all three differ


def test_bad_input() -> None:
    for views in ((), "{prompt}", ("{prompt}", ""), ("{prompt}", "{prompt}"), (3,)):
        with pytest.raises(BadInput, match="views"):
            run("cross-view-vote", views=views)
    with pytest.raises(BadInput, match="n: 0"):
        run("cross-view-vote", n=0)
    assert len(selection(run("cross-view-vote", n=2)).ended) == 2  # fewer draws than views
