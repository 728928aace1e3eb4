"""Strict configuration: frozen dataclasses filled from mappings; an unknown key is an error, and names the near one."""

import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

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


def fitting(options: Mapping[str, Any], known: Mapping[str, inspect.Parameter]) -> None:
    """Refuse options of another kind than an algorithm says: texts, lists of texts, yes or no. Numbers are its own to
    refuse, as are kinds that it says nothing of.

    Raises:
        BadInput: naming the option.
    """
    for name, value in options.items():
        wish = known[name].annotation if name in known else Any
        kinds = get_args(wish) if isinstance(wish, UnionType) else (wish,)
        said = [KINDS.get(kind) or (TEXTS if _holds_texts(kind) else None) for kind in kinds]
        if all(said) and not any(each is not None and each[1](value) for each in said):
            raise BadInput(name, f"{' or '.join(each[0] for each in said if each)} is expected, not {value!r}")


Kind = tuple[str, Callable[[Any], bool]]  # in words, and whether a value is one
KINDS: dict[Any, Kind] = {
    str: ("a text", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    NoneType: ("nothing", lambda value: value is None),
}
TEXTS: Kind = (
    "a list of texts",
    lambda value: isinstance(value, list | tuple) and all(isinstance(each, str) for each in value),
)


def _holds_texts(kind: Any) -> bool:
    return get_origin(kind) in (tuple, Sequence) and set(get_args(kind)) <= {str, ...}


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
