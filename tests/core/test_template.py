"""Texts with places."""

import pytest

from ramify.core.errors import BadInput
from ramify.core.template import filled, listed, with_places


def test_places_are_filled_in_one_pass() -> None:
    assert filled("{a}{b}{a} {c} {", a="{b}", b="x") == "{b}x{b} {c} {"
    assert filled("nothing", a="x") == "nothing"


def test_a_missing_place_is_named() -> None:
    assert with_places("premise", "{prompt}{choice}", "choice") == "{prompt}{choice}"
    with pytest.raises(BadInput, match=r"premise: .* has no \{choice\} and no \{fact\}"):
        with_places("premise", "{prompt}", "prompt", "choice", "fact")
    with pytest.raises(BadInput, match="premise: a text is expected"):
        with_places("premise", 3, "choice")  # type: ignore[arg-type]


def test_lists_of_texts() -> None:
    assert listed("choices", ["a", "b"]) == ("a", "b")
    assert listed("facts", (), least=0) == ()
    for wrong in ("ab", 3, None, [], ["a", ""], ["a", 3], ["a", "a"]):
        with pytest.raises(BadInput, match="choices"):
            listed("choices", wrong)
