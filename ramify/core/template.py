"""Texts with places in braces: how searches word prompts of their own."""

import re

from ramify.core.errors import BadInput

PLACE = re.compile(r"\{(\w+)\}")


def filled(template: str, **parts: str) -> str:
    """`template` with {name} replaced by parts[name], in one pass: braces within a part stay, other braces too."""
    return PLACE.sub(lambda place: parts.get(place[1], place[0]), template)


def with_places(field: str, template: str, *names: str) -> str:
    """`template`, refused unless it holds {name} for every name.

    Raises:
        BadInput: it is no text, or a place is missing.
    """
    if not isinstance(template, str):
        raise BadInput(field, f"a text is expected, not {template!r}")
    missing = ["{" + name + "}" for name in names if name not in PLACE.findall(template)]
    if missing:
        raise BadInput(field, f"{template!r} has no {' and no '.join(missing)}: what stands there would be lost")
    return template


def listed(field: str, texts: object, *, least: int = 1) -> tuple[str, ...]:
    """Texts of a list, none of them empty, no two alike.

    Raises:
        BadInput: it is no list of texts, has fewer than `least`, or an empty one, or one twice.
    """
    if isinstance(texts, str) or not isinstance(texts, list | tuple):
        raise BadInput(field, f"a list of texts is expected, not {texts!r}")
    if any(not isinstance(text, str) or not text for text in texts):
        raise BadInput(field, f"texts that are not empty are expected, not {list(texts)!r}")
    if len(texts) < least:
        raise BadInput(field, f"{len(texts)} given, at least {least} needed")
    if len(set(texts)) < len(texts):
        raise BadInput(field, f"the same text twice: {list(texts)!r}")
    return tuple(texts)
