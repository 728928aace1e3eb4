"""Guides by name: NAME(OPTION=VALUE, ...), with the models that they read loaded beside the target."""

from typing import Any

from ramify.api.beside import Beside
from ramify.core.errors import BadInput, UnknownName
from ramify.core.registry import lookup
from ramify.core.spec import parse
from ramify.core.types import Guide

GuideLike = str | Guide


def guide_of(wish: GuideLike, beside: Beside) -> Guide:
    """The guide behind a line, or a guide itself, whose models are loaded under the names it gives.

    Raises:
        UnknownName: no such guide, option or model. BadInput: it cannot be read, or a value is out of range.
        Incompatible: a model's tokens are not the target's.
    """
    if isinstance(wish, str):
        name, options = parse(wish, "guide")
        entry = lookup("guide", name)
        options = {**entry.defaults, **options}
        for field in entry.models:
            options[field] = _loaded(options[field], beside)
        if unknown := [option for option in options if option not in entry.options]:
            raise UnknownName("guide option", unknown[0], entry.options)
        guide: Guide = entry.make(**options)
        return guide
    if not hasattr(wish, "leads"):
        raise BadInput("guide", f"{wish!r} is neither a line like 'nudging(nudger=builtin-tuned)' nor a guide")
    for role in wish.models:
        beside.writer(role, "guide")
    return wish


def _loaded(wish: Any, beside: Beside) -> Any:
    if isinstance(wish, str):
        return beside.writer(wish, "guide")
    return tuple(beside.writer(model, "guide") for model in wish)
