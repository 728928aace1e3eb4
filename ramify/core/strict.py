"""Strict configuration: frozen dataclasses filled from mappings; an unknown key is an error, and names the near one."""

import inspect
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ramify.core.errors import BadInput, UnknownName

T = TypeVar("T")


def from_mapping(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build a frozen dataclass.

    Raises:
        UnknownName: a key that `cls` has no field for.
    """
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise UnknownName("option", key, known)
    return cls(**values)


def keyword_options(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of an algorithm: its options, with their defaults."""
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def finite(field: str, value: float, low: float = -math.inf, high: float = math.inf) -> float:
    """`value` as a float, refused unless it is a finite number within [low, high].

    Raises:
        BadInput: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise BadInput(field, f"{value!r} is not a finite number")
    if not low <= value <= high:
        raise BadInput(field, f"{value} is outside [{low:g}, {high:g}]")
    return float(value)


def whole(field: str, value: int, low: int, high: int) -> int:
    """`value` as an int, refused unless it is a whole number within [low, high].

    Raises:
        BadInput: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(field, f"{value!r} is not a whole number")
    if not low <= value <= high:
        raise BadInput(field, f"{value} is outside {low} to {high}")
    return value


def role(field: str, value: str) -> str:
    """The name of an engine's model, refused unless it is a text that is not empty.

    Raises:
        BadInput: it is not.
    """
    if not isinstance(value, str) or not value:
        raise BadInput(field, f"{value!r} does not name a model")
    return value
