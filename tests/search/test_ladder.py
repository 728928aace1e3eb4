"""Every method has a setting at which it is a simpler one: draw for draw, choice for choice."""

import pytest

from ramify.core.types import Budget
from tests.search.runs import LENGTH, best, drawn, run, selection
from tests.toys import JUDGE, prompt, toy

SEEDS = range(12)


@pytest.mark.parametrize("name", ["best-of-n", "majority-vote", "speculative-rejection"])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_candidate_is_a_sample(name: str, seed: int) -> None:
    assert best(run(name, seed=seed, n=1)) == best(run("sample", seed=seed))


@pytest.mark.parametrize("name", ["best-of-n", "majority-vote"])
@pytest.mark.parametrize("seed", SEEDS)
def test_candidates_are_the_samples(name: str, seed: int) -> None:
    assert drawn(run(name, seed=seed, n=7)) == drawn(run("sample", seed=seed, n=7))


@pytest.mark.parametrize("pages", [6, 9, 16, 40, 400])
@pytest.mark.parametrize("reward", [JUDGE, LENGTH], ids=lambda r: r.name)
@pytest.mark.parametrize("seed", SEEDS)
def test_rejecting_nobody_is_best_of_n(pages: int, reward: object, seed: int) -> None:
    """The same texts, scores and choice, however often it had to stop and look."""
    rejection = run("speculative-rejection", seed=seed, reward=reward, n=6, alpha=0.0, budget=Budget(pages=pages))  # type: ignore[arg-type]
    plain = run("best-of-n", seed=seed, reward=reward, n=6)  # type: ignore[arg-type]
    assert drawn(rejection) == drawn(plain)
    assert best(rejection) == best(plain)
    assert selection(rejection).best.score == selection(plain).best.score
    by_branch = {tuple(e.branch.generated): e.score for e in selection(plain).ended}
    assert all(by_branch[tuple(e.branch.generated)] == e.score for e in selection(rejection).ended)
    assert {e.stopped_because for e in selection(rejection).ended} <= {"stop", "length"}


@pytest.mark.parametrize("seed", SEEDS)
def test_enough_pages_reject_nobody_before_the_end(seed: int) -> None:
    rejection = run("speculative-rejection", seed=seed, n=6, alpha=0.5, budget=Budget(pages=400))
    assert drawn(rejection) == drawn(run("best-of-n", seed=seed, n=6))
    assert len(selection(rejection).rounds) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_vote_without_answers_is_the_first_sample(seed: int) -> None:
    source = prompt(1, 2, seed=seed, max_tokens=5, logit_bias={1: -100.0, 2: -100.0})  # nothing but end tokens: no text
    assert best(run("majority-vote", source=source, n=5)) == [0] * 5


@pytest.mark.parametrize("seed", SEEDS)
def test_temperature_zero_is_greedy(seed: int) -> None:
    cold = prompt(1, 2, 2, seed=seed, max_tokens=9, temperature=0.0)
    warm = prompt(1, 2, 2, seed=seed, max_tokens=9)
    want = best(run("greedy", source=warm))
    assert best(run("sample", source=cold)) == want
    assert drawn(run("best-of-n", source=cold, n=4)) == [want] * 4
    assert drawn(run("speculative-rejection", source=cold, n=4)) == [want] * 4


def test_greedy_does_not_look_at_the_seed() -> None:
    assert len({tuple(best(run("greedy", seed=seed))) for seed in SEEDS}) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_weighted_votes_of_equal_weight_are_votes(seed: int) -> None:
    flat = LENGTH.__class__(lambda prompt, text: 0.0)
    weighted = selection(run("best-of-n", seed=seed, reward=flat, n=9, select="weighted-majority"))
    plain = selection(run("majority-vote", seed=seed, n=9))
    assert weighted.best.answer == plain.best.answer
    assert weighted.best.branch.generated == plain.best.branch.generated


@pytest.mark.parametrize("seed", SEEDS)
def test_a_flat_reward_chooses_the_first(seed: int) -> None:
    flat = LENGTH.__class__(lambda prompt, text: 0.0)
    for name in ("best-of-n", "speculative-rejection"):
        assert best(run(name, seed=seed, reward=flat, n=5)) == best(run("sample", seed=seed))


def test_a_smaller_n_is_a_beginning_of_a_larger_one() -> None:
    assert drawn(run("sample", n=9))[:4] == drawn(run("sample", n=4))


def test_the_engine_may_have_a_past() -> None:
    engine = toy(num_pages=400)
    first = run("best-of-n", n=5, engine=engine)
    again = run("best-of-n", n=5, engine=engine)
    assert drawn(first) == drawn(again)
    assert again.ledger.model("target").tokens < first.ledger.model("target").tokens  # the prompt's page is found
