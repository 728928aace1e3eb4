"""Strict configuration."""

import math
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.strict import finite, keyword_options, whole
from ramify.core.types import Budget
from ramify.core.wants import Marker, Tokens


@pytest.mark.parametrize("value", [True, "1", None, math.nan, math.inf, -math.inf, 10**400, 1j])
def test_no_finite_number(value: Any) -> None:
    with pytest.raises(BadInput, match="alpha"):
        finite("alpha", value)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 11, -1])
def test_no_whole_number_within(value: Any) -> None:
    with pytest.raises(BadInput, match="n:"):
        whole("n", value, 0, 10)


def test_numbers_pass() -> None:
    assert finite("x", 3) == 3.0
    assert isinstance(finite("x", 3), float)
    assert whole("n", 10, 0, 10) == 10


def test_options_are_the_keyword_only_parameters() -> None:
    def search(prompt: str, *, n: int = 3, select: str) -> None: ...

    options = keyword_options(search)
    assert list(options) == ["n", "select"]
    assert options["n"].default == 3


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Budget, {"tokens": 0}),
        (Budget, {"tokens": 1.5}),
        (Budget, {"pages": 0}),
        (Budget, {"pages": True}),
        (Tokens, {"count": 0}),
        (Tokens, {"count": -1}),
        (Tokens, {"count": 1.5}),
        (Marker, {"text": ""}),
    ],
)
def test_wants_and_budgets_are_checked(kind: type, values: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        kind(**values)
