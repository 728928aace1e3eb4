"""Templates of strangers: Jinja as Hugging Face specifies it for chats, in a sandbox.

A template sees plain data only, its attribute access is checked, nothing it is given can be changed, and all it can
do is write text. (It can still write for a long time: the sandbox bounds single ranges, not loops in loops.)
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateError, TemplateSyntaxError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ramify.core.errors import BadInput, CheckpointError


def render(source: str, variables: Mapping[str, Any]) -> str:
    """The text of a template; `variables` are plain data.

    Raises:
        BadInput: the template refuses its variables or fails on them.
        CheckpointError: it is no template.
    """
    template = _compiled(source)
    try:
        return template.render(**variables)
    except TemplateError as error:  # its own raise_exception, a forbidden access, a value it needs and lacks
        raise BadInput("messages", f"the chat template refuses: {error.message or type(error).__name__}") from error
    except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise BadInput("messages", f"the chat template fails: {error}") from error


@lru_cache(maxsize=16)
def _compiled(source: str) -> Template:
    try:
        return _environment().from_string(source)
    except TemplateSyntaxError as error:
        raise CheckpointError(f"chat template, line {error.lineno}: {error.message}") from error


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {"raise_exception": _raise, "strftime_now": _strftime_now, "dict": _dict}
    del environment.globals["lipsum"]
    return environment


class _Generation(Extension):
    """{% generation %} ... {% endgeneration %} marks the assistant's words for training; here it is its content."""

    tags = {"generation"}  # noqa: RUF012  (Jinja declares it so)

    def parse(self, parser: Parser) -> Node | list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _raise(message: str) -> None:
    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _dict(*items: Any, **named: Any) -> dict[str, Any]:
    return dict(*items, **named)


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """Jinja's own escapes HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
