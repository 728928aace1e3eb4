"""Is a text right? The rules for a user's own problems: a function of theirs, or a comparison with the answer.

The comparison reads what stands behind the first "####" of a text, as far as its line goes; a text without one is
compared whole. Numbers are compared as numbers ("42.0" is 42, "1,000" is 1000), anything else letter by letter.
"""

import re
import runpy
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from ramify.core import registry
from ramify.core.errors import BadInput

MARK = "####"
NUMBER = re.compile(r"\$?(-?(?:[0-9]{1,3}(?:,[0-9]{3}){1,20}|[0-9]{1,60})(?:\.[0-9]{1,60})?)")
BEHIND, WHOLE = f"the text behind {MARK}", "the whole text"
Check = Callable[[Mapping[str, Any], str], tuple[float, str]]
"""(record, text) to how right it is, in [0, 1], and what was looked at."""


def load_checker(name: str) -> Check:
    """The function behind "package.module:function" or "path/to/file.py:function".

    It is called with (record, text) and returns a truth value or a number from 0 to 1.

    Raises:
        BadInput: there is no such file, module or function.
    """
    place, colon, function = name.rpartition(":")
    if not colon or not place or not function.isidentifier():
        raise BadInput("checker", f"{name!r} is not module:function or file.py:function")
    try:
        if place.endswith(".py"):
            found = runpy.run_path(place)[function]
        else:
            registry.TABLES["checker"] = {}
            registry.register("checker", name, name)
            found = registry.lookup("checker", name)
    except Exception as error:
        raise BadInput("checker", f"{name} cannot be loaded: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise BadInput("checker", f"{name} is no function of (record, text)")
    return lambda record, text: (_verdict(name, found, record, text), name)


def _verdict(name: str, function: Callable[..., Any], record: Mapping[str, Any], text: str) -> float:
    try:
        value = function(dict(record), text)
    except Exception as error:
        raise BadInput("checker", f"{name} raised {type(error).__name__}: {error}, given {text[:60]!r}") from error
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadInput("checker", f"{name} returned {value!r}; a truth value or a number from 0 to 1 is expected")
    return float(value)


def compare_answers(record: Mapping[str, Any], text: str) -> tuple[float, str]:
    """Whether a text gives the record's answer; see the head of this file."""
    wanted = str(record["answer"])
    got, read = read_answer(text), BEHIND if MARK in text else WHOLE
    wanted = read_answer(wanted)
    return float(got == wanted or _same_number(got, wanted)), read


def read_answer(text: str) -> str:
    """What stands behind the first "####" on its line, or the whole text."""
    _, mark, rest = text.partition(MARK)
    return rest.partition("\n")[0].strip() if mark else text.strip()


def file_of(checker: str | None) -> Path | None:
    """The file that a checker's name names, if it names one."""
    place = "" if checker is None else checker.rpartition(":")[0]
    return Path(place) if place.endswith(".py") else None


def _same_number(got: str, wanted: str) -> bool:
    numbers = [NUMBER.fullmatch(text) for text in (got, wanted)]
    values = [Fraction(found[1].replace(",", "")) for found in numbers if found]
    return len(values) == 2 and values[0] == values[1]
