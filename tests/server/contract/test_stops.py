"""Stop texts: across tokens, inside and across characters of several bytes, and never a part of one in a stream."""

import pytest

import ramify
from tests.server.talking import KINDS, Talk, finishes, joined, text_of, texts_of

PROMPT = "Grüße, Привет, 世界 😀 "
SEED = {"seed": 21, "max_tokens": 60}
ON = {"ignore_eos": True}


@pytest.fixture(scope="module")
def whole(lm: ramify.LM) -> dict[str, str]:
    """What comes where nothing stops it, by endpoint."""
    prompts = {"completions": PROMPT, "chat": [{"role": "user", "content": PROMPT}]}
    return {kind: lm.search(prompt, ignore_eos=True, **SEED).text for kind, prompt in prompts.items()}


def cut(text: str, *stops: str) -> str:
    """Up to where the first stop text that is complete begins (the earliest end wins)."""
    ends = [(text.index(stop) + len(stop), text.index(stop)) for stop in stops if stop in text]
    return text[: min(ends)[1]] if ends else text


def pieces_of(text: str) -> list[str]:
    """Stop texts out of the middle of a text: of one to four characters, most of them of several bytes."""
    wide = [i for i, letter in enumerate(text) if ord(letter) > 127 and letter != "\ufffd" and i > 4]
    assert len(wide) > 4, text
    return [text[i : i + length] for length, i in zip((1, 2, 3, 4), wide[:: max(1, len(wide) // 4)], strict=False)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("listed", [False, True])
def test_a_stop_text(kind: str, which: int, listed: bool, talk: Talk, whole: dict[str, str]) -> None:
    stop = pieces_of(whole[kind])[which]
    answer = talk.ask(kind, PROMPT, ON, stop=[stop] if listed else stop, **SEED)
    assert texts_of(answer) == [cut(whole[kind], stop)]
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens < 60


@pytest.mark.parametrize("kind", KINDS)
def test_whichever_of_several_comes_first(kind: str, talk: Talk, whole: dict[str, str]) -> None:
    stops = [*reversed(pieces_of(whole[kind])), "it never comes"]
    assert texts_of(talk.ask(kind, PROMPT, ON, stop=stops[:4], **SEED)) == [cut(whole[kind], *stops[:4])]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", range(4))
def test_a_stream_never_shows_a_part_of_it(kind: str, which: int, talk: Talk, whole: dict[str, str]) -> None:
    stop = pieces_of(whole[kind])[which]
    wanted, shown = cut(whole[kind], stop), ""
    chunks = talk.stream(kind, PROMPT, ON, stop=stop, **SEED)
    for chunk in chunks:
        shown += "".join(text_of(choice) for choice in chunk.choices)
        assert wanted.startswith(shown)
    assert shown == wanted
    assert finishes(chunks) == {0: ["stop"]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_beginning_that_does_not_go_on_is_shown_in_the_end(kind: str, talk: Talk, whole: dict[str, str]) -> None:
    """The text ends in what might have become a stop text: held back, and then given."""
    almost = whole[kind][-2:] + "\ufeffnever"
    chunks = talk.stream(kind, PROMPT, ON, stop=almost, **SEED)
    assert joined(chunks) == [whole[kind]]
    assert finishes(chunks) == {0: ["length"]}


@pytest.mark.parametrize("kind", KINDS)
def test_characters_come_whole(kind: str, talk: Talk, whole: dict[str, str]) -> None:
    """No piece holds a replacement character that the text has not: an unfinished character waits for its bytes."""
    chunks = talk.stream(kind, PROMPT, ON, **SEED)
    shown = ""
    for chunk in chunks:
        shown += "".join(text_of(choice) for choice in chunk.choices)
        assert whole[kind].startswith(shown)
    assert len([chunk for chunk in chunks if any(text_of(choice) for choice in chunk.choices)]) > 10
    assert shown == whole[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_each_choice_stops_by_itself(kind: str, talk: Talk, lm: ramify.LM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    free = lm.search(prompt, "sample", n=4, ignore_eos=True, **SEED)
    texts = joined(talk.stream(kind, prompt, ON, n=4, stop=[" ", "。"], **SEED))
    assert texts == [cut(candidate.text, " ", "。") for candidate in free.candidates]
    assert len(set(texts)) > 1
