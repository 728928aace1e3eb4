"""Branches, and the choice among ended ones."""

from ramify.core.ledger import Ledger
from ramify.core.sampling import Sampling
from ramify.core.types import Branch, Ended, Prompt, best_of


def branch(*tokens: int, num_prompt: int = 1, finish: str | None = None) -> Branch:
    made = Branch(1, list(tokens), num_prompt, 0, Sampling(), Sampling().rule(), 9, Ledger())
    made.finish = finish  # type: ignore[assignment]
    return made


def test_a_branch_is_itself_and_no_other() -> None:
    a, b = branch(1, 2), branch(1, 2)
    assert a != b
    assert len({a, b}) == 2


def test_generated_are_the_tokens_behind_the_prompt() -> None:
    made = branch(5, 6, 7, num_prompt=2)
    assert (made.generated, made.num_generated, made.done) == ([7], 1, False)


def test_an_ended_branch_says_why() -> None:
    assert Ended.of(branch(1)).stopped_because == "unfinished"
    ended = Ended.of(branch(1, finish="length"), 0.5, "a")
    assert (ended.score, ended.answer, ended.stopped_because) == (0.5, "a", "length")
    assert Ended.of(branch(1, finish="budget")).stopped_because == "budget"


def test_best_of_is_the_highest_and_the_earliest() -> None:
    ended = [Ended(branch(i), score) for i, score in enumerate((None, 1.0, 2.0, 2.0, None))]
    assert best_of(ended) is ended[2]
    assert best_of(ended[:1]) is ended[0]
    assert best_of([ended[0], ended[4]]) is ended[0]


def test_a_score_of_minus_infinity_beats_none() -> None:
    ended = [Ended(branch(1)), Ended(branch(2), float("-inf"))]
    assert best_of(ended) is ended[1]


def test_another_temperature_leaves_the_prompt_as_it_was() -> None:
    warm = Prompt((1,), Sampling(temperature=0.7, top_k=3), seed=4)
    cold = warm.at_temperature(0.0)
    assert (cold.sampling.temperature, cold.sampling.top_k, cold.seed) == (0.0, 3, 4)
    assert warm.sampling.temperature == 0.7
