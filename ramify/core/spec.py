"""Things with options as they are written on one line: NAME, or NAME(OPTION=VALUE, ...).

    greedy, best-of-n(n=4, select=weighted-majority), majority-vote(n=8, each=best-of-n(n=4))

A value is JSON where it can be read as JSON, else the text itself.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from ramify.core.errors import BadInput

SHAPE = re.compile(r"([^()\s]+)\s*(?:\((.*)\))?", re.DOTALL)
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./:+-]*")
OPEN, CLOSED = "([{", ")]}"


def parse(text: str, field: str) -> tuple[str, dict[str, Any]]:
    """A name and its options, in their order.

    Raises:
        BadInput: it cannot be read, or gives an option twice; the message names `field`.
    """
    found = SHAPE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise BadInput(field, f"{str(text).strip()!r} is neither NAME nor NAME(OPTION=VALUE, ...)")
    options: dict[str, Any] = {}
    for pair in parts(found[2], field) if found[2] and found[2].strip() else ():
        name, equals, value = pair.partition("=")
        name, value = name.strip().replace("-", "_"), value.strip()
        if not equals or not name.isidentifier() or not value:
            raise BadInput(field, f"{pair.strip()!r} in {found[1]}(...) is not OPTION=VALUE")
        if name in options:
            raise BadInput(field, f"{name} is given twice in {found[1]}(...)")
        options[name] = read_value(value)
    return found[1], options


def read_value(text: str) -> Any:
    """JSON where it can be read as JSON (lists become tuples, digits as keys numbers), else the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, a number of too many digits, too deep
        return text
    if isinstance(value, dict):
        return {int(key) if key.removeprefix("-").isdecimal() else key: inner for key, inner in value.items()}
    return tuple(value) if isinstance(value, list) else value


def written(value: Any) -> str:
    """A value such that `read_value` reads it back."""
    plain = isinstance(value, str) and PLAIN.fullmatch(value) and read_value(value) == value
    return str(value) if plain else json.dumps(value)


def parts(text: str, field: str) -> Iterator[str]:
    """Split at commas outside of brackets and quotes.

    Raises:
        BadInput: a bracket or a quotation mark has no other half.
    """
    open_, quoted, part, escaped = list[str](), False, "", False
    for letter in text:
        if quoted:
            quoted, escaped = letter != '"' or escaped, letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in OPEN:
            open_.append(CLOSED[OPEN.index(letter)])
        elif letter in CLOSED and (not open_ or open_.pop() != letter):
            raise BadInput(field, f"{letter!r} in {text!r} closes nothing")
        if letter == "," and not open_ and not quoted:
            yield part
            part = ""
        else:
            part += letter
    if open_ or quoted:
        raise BadInput(field, f"{open_[-1] if open_ else chr(34)!r} is missing in {text!r}")
    yield part
