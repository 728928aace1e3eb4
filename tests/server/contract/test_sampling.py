"""Every sampling field has the effect that the Python API's has, on both endpoints."""

from typing import Any

import pytest

import ramify
from tests.server.talking import KINDS, Talk, texts_of

PROMPT = "El niño señala 世界 "
LENGTH = {"max_tokens": 20, "seed": 11}
OPENAI: dict[str, dict[str, Any]] = {
    "temperature 0": {"temperature": 0},
    "temperature 0.5": {"temperature": 0.5},
    "temperature 1.9": {"temperature": 1.9},
    "top_p": {"top_p": 0.3},
    "presence": {"presence_penalty": 2.0},
    "frequency": {"frequency_penalty": 2.0},
    "negative frequency": {"frequency_penalty": -2.0},
    "bias": {"logit_bias": {"64": 4.5, "65": -100}},
}
EXTRAS: dict[str, dict[str, Any]] = {
    "top_k": {"top_k": 2},
    "min_p": {"min_p": 0.4},
    "repetition": {"repetition_penalty": 1.7},
    "ignore_eos": {"ignore_eos": True, "temperature": 3.0},
    "stop ids": {"stop_token_ids": [64, 100, 220]},
    "bad words": {"bad_words": ["n", "й", "世"]},
}
WISHES = OPENAI | EXTRAS


def python(options: dict[str, Any]) -> dict[str, Any]:
    """The same, as `LM.search` has it."""
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    if "logit_bias" in options:
        options["logit_bias"] = {int(token): bias for token, bias in options["logit_bias"].items()}
    return options


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
def test_a_field_does_what_it_does_in_python(kind: str, wish: dict[str, Any], talk: Talk, lm: ramify.LM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    told = {name: value for name, value in wish.items() if name not in EXTRAS and name in _openai_names()}
    extra = {name: value for name, value in wish.items() if name not in told}
    texts = texts_of(talk.ask(kind, prompt, extra, n=3, **told, **LENGTH))
    result = lm.search(prompt, "sample", n=3, **python(wish), **LENGTH)
    assert texts == [candidate.text for candidate in result.candidates]
    plain = lm.search(prompt, "sample", n=3, **LENGTH)
    assert texts != [candidate.text for candidate in plain.candidates]


def _openai_names() -> set[str]:
    return {name for wish in OPENAI.values() for name in wish}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bias_of_a_hundred_forces_a_token(kind: str, talk: Talk, lm: ramify.LM) -> None:
    (token,) = lm.encode("z")
    assert texts_of(talk.ask(kind, PROMPT, logit_bias={str(token): 100}, max_tokens=6)) == ["zzzzzz"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bias_of_minus_a_hundred_bans_one(kind: str, talk: Talk) -> None:
    asked = {"return_token_ids": True}
    first = talk.ask(kind, PROMPT, asked, temperature=0, max_tokens=1).choices[0].token_ids[0]
    answer = talk.ask(kind, PROMPT, asked, temperature=0, max_tokens=1, logit_bias={str(first): -100})
    assert answer.choices[0].token_ids[0] != first


@pytest.mark.parametrize("off", [0, -1])
def test_no_top_k(off: int, talk: Talk) -> None:
    assert texts_of(talk.ask("completions", PROMPT, {"top_k": off}, **LENGTH)) == texts_of(
        talk.ask("completions", PROMPT, **LENGTH)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_said_aloud_change_nothing(kind: str, talk: Talk) -> None:
    """What clients send unasked: every field at the value that OpenAI gives it."""
    said = {
        "n": 1,
        "stop": None,
        "temperature": 1,
        "top_p": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "logit_bias": {},
        "stream": False,
        "user": "somebody",
    }
    said |= {"logprobs": False, "response_format": {"type": "text"}} if kind == "chat" else {"echo": False}
    assert texts_of(talk.ask(kind, PROMPT, **said, **LENGTH)) == texts_of(talk.ask(kind, PROMPT, **LENGTH))


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_choices_are_one_text(kind: str, talk: Talk, lm: ramify.LM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    texts = texts_of(talk.ask(kind, prompt, n=2, temperature=0, max_tokens=12))
    assert texts == [lm.search(prompt, "greedy", max_tokens=12).text] * 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 3])
def test_beams(kind: str, n: int, talk: Talk, lm: ramify.LM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    answer = talk.ask(kind, prompt, {"beam_width": 4, "length_penalty": 0.5}, n=n, max_tokens=8)
    result = lm.search(prompt, "token-beam-search", width=4, length_penalty=0.5, max_tokens=8)
    ended = [candidate for candidate in result.candidates if candidate.stopped_because in ("stop", "length")]
    likeliest = sorted(ended, key=lambda candidate: -(candidate.score or 0))
    assert texts_of(answer) == [candidate.text for candidate in likeliest[:n]]
    assert texts_of(answer)[0] == result.text


@pytest.mark.parametrize("early", [True, False])
def test_beams_that_stop_early(early: bool, talk: Talk, lm: ramify.LM) -> None:
    asked = {"beam_width": 3, "early_stopping": early}
    answer = talk.ask("completions", PROMPT, asked, max_tokens=12)
    assert texts_of(answer) == [
        lm.search(PROMPT, "token-beam-search", width=3, early_stopping=early, max_tokens=12).text
    ]
