"""When a branch ends, why, and what its text is then."""

from itertools import pairwise
from typing import Any

import pytest

from ramify.engine.ending import text_of
from tests.engine.scripts import Bytes, Words, engine_of, scripted
from tests.toys import prompt, toy

WORDS = Words("He", "llo", " wor", "ld\n", "ST", "OP", "aSTOPb", "")
END = 7


def run(*tokens: int, **sampling: Any) -> tuple[str, str | None, int]:
    """The text, the reason and the tokens of a branch that draws these."""
    engine = engine_of(WORDS, scripted(*tokens, *[0] * 200))
    branch = engine.prefill(prompt(0, 1, ignore_eos=sampling.pop("ignore_eos", False), **sampling))
    engine.advance([branch], len(tokens))
    return text_of(branch, WORDS), branch.finish, branch.num_generated


CASES: list[tuple[tuple[int, ...], dict[str, Any], tuple[str, str | None, int]]] = [
    ((0, 1), {}, ("Hello", None, 2)),
    ((0, END, 1), {}, ("He", "stop", 2)),
    ((END,), {}, ("", "stop", 1)),
    ((0, END, 1), {"ignore_eos": True}, ("Hello", None, 3)),
    ((0, 4, 5, 1), {"stop": ("STOP",)}, ("He", "stop", 3)),  # across a token boundary
    ((0, 6, 1), {"stop": ("STOP",)}, ("Hea", "stop", 2)),  # inside a token: the rest of it is cut too
    ((0, 1, 2), {"stop": ("lo w",)}, ("Hel", "stop", 3)),
    ((4, 5), {"stop": ("STOP",)}, ("", "stop", 2)),  # the whole text
    ((0, 4, 5), {"stop": ("OP", "STOP", "eS")}, ("H", "stop", 2)),  # the one that is met first
    ((0, 4, 5), {"stop": ("OP", "STOP")}, ("He", "stop", 3)),  # met together: from the earliest beginning on
    ((1, 2), {"stop": ("Hello",)}, ("llo wor", None, 2)),  # the prompt is not searched
    ((0, 1, 2), {"stop_token_ids": (1,)}, ("He", "stop", 2)),  # its text is left out, like an end token's
    ((1,), {"stop_token_ids": (1,)}, ("", "stop", 1)),
    ((0, 1, 2), {"max_tokens": 1}, ("He", "length", 1)),
    ((0, 1, 2), {"max_tokens": 2}, ("Hello", "length", 2)),
    ((0, END), {"max_tokens": 2}, ("He", "stop", 2)),  # an end at the last token is a stop
    ((0, 4, 5), {"max_tokens": 3, "stop": ("STOP",)}, ("He", "stop", 3)),
    ((0, 4, END), {"stop": ("STOP",)}, ("HeST", "stop", 3)),  # the beginning of a stop text is text
]


@pytest.mark.parametrize(("tokens", "sampling", "want"), CASES)
def test_ends(tokens: tuple[int, ...], sampling: dict[str, Any], want: tuple[str, str | None, int]) -> None:
    assert run(*tokens, **sampling) == want


def test_the_context_ends_too() -> None:
    engine = engine_of(WORDS, scripted(*[0] * 200), max_positions=10)
    branch = engine.prefill(prompt(0, 1, max_tokens=100))
    engine.advance([branch], 50)
    assert (len(branch.tokens), branch.finish) == (10, "length")


def test_truncating_forgets_the_end() -> None:
    engine = engine_of(WORDS, scripted(0, 4, 5, 1, 1, 1, 1))
    branch = engine.prefill(prompt(0, stop=("STOP",)))
    engine.advance([branch], 9)
    engine.truncate(branch, 2)
    assert (branch.finish, branch.text_end, text_of(branch, WORDS)) == (None, None, "He")
    engine.advance([branch], 9)
    assert (branch.finish, text_of(branch, WORDS)) == ("stop", "He")


def test_children_of_a_done_branch_have_its_text() -> None:
    engine = engine_of(WORDS, scripted(0, 4, 5))
    branch = engine.prefill(prompt(0, stop=("STOP",)))
    engine.advance([branch], 9)
    assert text_of(engine.fork(branch, 1)[0], WORDS) == "He"


@pytest.mark.parametrize(
    "stop", ["終", "終わりの言葉はここで終わり", "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}" * 9]
)
def test_a_stop_text_of_many_byte_tokens(stop: str) -> None:
    """Longer in tokens than in characters."""
    codec, text = Bytes(), "前の文。" * 9
    engine = engine_of(codec, scripted(*(text + stop).encode(), 0, 0))
    branch = engine.prefill(prompt(65, stop=(stop,)))
    engine.advance([branch], 200)
    assert (branch.finish, text_of(branch, codec)) == ("stop", text)
    assert branch.num_generated == len((text + stop).encode())


def test_half_a_character_is_no_stop() -> None:
    codec = Bytes()
    engine = engine_of(codec, scripted(*"aé".encode(), *b"b"))
    branch = engine.prefill(prompt(65, stop=("é",)))
    engine.advance([branch], 2)
    assert (branch.finish, text_of(branch, codec)) == (None, "a\N{REPLACEMENT CHARACTER}")
    engine.advance([branch], 1)
    assert (branch.finish, text_of(branch, codec)) == ("stop", "a")


def test_bad_words_are_never_completed() -> None:
    """Nor those that begin in the prompt, nor after a fork on a child's own path."""
    engine = toy(num_pages=400)
    root = engine.prefill(prompt(2, 1, bad_words=("ab",)))  # "ba" + "b" would complete it
    live = engine.fork(root, 12)
    engine.advance(live, 6)
    live += engine.fork(live[0], 6)
    engine.advance(live, 20)
    for branch in live:
        assert (1, 2) not in pairwise(branch.tokens)
    assert {b.generated[0] for b in live} == {0, 1}
