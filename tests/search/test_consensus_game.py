"""The consensus game."""

import math
from collections.abc import Sequence

import pytest

from ramify.core.errors import BadInput
from ramify.search.consensus_game import consensus_game
from tests.search.runs import best, run
from tests.search.scripted import SOURCE, Opinion, Script

Table = dict[str, tuple[float, float]]


def opinion(generator: Table, discriminator: Table) -> Opinion:
    """Probabilities of texts under (correct, incorrect), of (yes, no) behind texts."""

    def say(text: str, question: str, choices: Sequence[str], by: str | None) -> list[float]:
        if question:
            return [math.log(p) if p else -math.inf for p in discriminator[text]]
        return [math.log(generator[choice][text != "Q"]) for choice in choices]

    return say


GENERATOR = {"a": (0.6, 0.5), "b": (0.3, 0.2), "c": (0.1, 0.3)}
DISCRIMINATOR = {"a": (0.4, 0.6), "b": (0.7, 0.3), "c": (0.8, 0.2)}


def play(discriminator: Table = DISCRIMINATOR, texts: str = "abcab", **options: float) -> str:
    script = Script(texts=list(texts), opinion=opinion(GENERATOR, discriminator))
    found = script.run(consensus_game(SOURCE, n=len(texts), **options))  # type: ignore[arg-type]
    return script.texts[found.ended.index(found.best)]


def test_agreement_is_neither_ones_favourite() -> None:
    """The generator likes a best, the discriminator c; both can live with b."""
    assert play() == "b"
    assert play(price=1e9) == "b"  # 0.38 * 0.7 against 0.35 * 0.4 and 0.16 * 0.8


def test_a_discriminator_of_nonsense_leaves_the_generators_word() -> None:
    nonsense = dict.fromkeys("abc", (0.0, 0.0))
    assert play(nonsense, price=1e9) == play(dict.fromkeys("abc", (0.5, 0.5)), price=1e9) == "b"


def test_equal_texts_are_one_candidate() -> None:
    script = Script(texts=list("aabb"), opinion=opinion(GENERATOR, DISCRIMINATOR))
    found = script.run(consensus_game(SOURCE, n=4))
    assert found.ended[0].score == found.ended[1].score != found.ended[2].score == found.ended[3].score
    assert script.asked == ["Q", "QA wrong solution:\n", "a", "b"]


def test_nothing_to_agree_on() -> None:
    for texts, want in ((["a"], 0), (["", "a", "a"], 1), (["", ""], 0)):
        script = Script(texts=texts)
        found = script.run(consensus_game(SOURCE, n=len(texts)))
        assert (found.best, script.asked) == (found.ended[want], [])
    assert best(run("consensus-game", n=1, seed=3)) == best(run("sample", seed=3))


def test_bad_input() -> None:
    wrongs = {"n": 0, "steps": 0, "price": 0.0, "eta": -1.0, "correct": "x", "incorrect": "y", "choices": ("a",)}
    for field, wrong in wrongs.items():
        with pytest.raises(BadInput, match=field):
            run("consensus-game", **{field: wrong})
