"""Seeds: the same text for the same, another for another, and for none."""

import pytest

import ramify
from tests.server.talking import KINDS, Talk, joined, texts_of

PROMPT = "Привет "
LONG = {"max_tokens": 20, "extra": {"ignore_eos": True}}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 7, -3, 2**62])
def test_the_same_seed_is_the_same_text(kind: str, seed: int, talk: Talk) -> None:
    first, second = (texts_of(talk.ask(kind, PROMPT, n=3, seed=seed, **LONG)) for _ in range(2))
    assert first == second
    assert len(set(first)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_is_another_text(kind: str, talk: Talk) -> None:
    texts = [texts_of(talk.ask(kind, PROMPT, seed=seed, **LONG))[0] for seed in range(5)]
    assert len(set(texts)) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_seed_every_time_differs(kind: str, talk: Talk) -> None:
    """Of texts of 20 tokens, each of more than a nat: two are equal once in e^20 times."""
    texts = [text for _ in range(3) for text in texts_of(talk.ask(kind, PROMPT, n=2, **LONG))]
    assert len(set(texts)) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_choices_are_the_first_of_more(kind: str, talk: Talk) -> None:
    few, more = (texts_of(talk.ask(kind, PROMPT, n=n, seed=5, **LONG)) for n in (2, 5))
    assert more[:2] == few


@pytest.mark.parametrize("kind", KINDS)
def test_streamed_or_not_is_the_same(kind: str, talk: Talk, lm: ramify.LM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    whole = texts_of(talk.ask(kind, prompt, n=2, seed=9, **LONG))
    assert joined(talk.stream(kind, prompt, n=2, seed=9, **LONG)) == whole
    result = lm.search(prompt, "sample", n=2, seed=9, max_tokens=20, ignore_eos=True)
    assert whole == [candidate.text for candidate in result.candidates]
