"""What a search may want that no server behind OpenAI's interface gives, and which methods are known to want it.

A search's file imports the wants that it yields, so a method that cannot run is refused before its first request.
"""

import sys
from collections.abc import Mapping
from typing import Any

from ramify.core.errors import Incompatible
from ramify.core.protocols import Method
from ramify.core.wants import Advance, Ask, Extend, Likeliest, Superpose

LACKING: Mapping[type, str] = {
    Likeliest: "The likeliest next tokens are not drawn, and servers name them by text only, a few of them.",
    Extend: "A chosen token cannot be put behind a text by its law.",
    Superpose: "It reads tokens, no mixtures of their embeddings.",
    Ask: "Log-probabilities of a text that is given, not drawn, are not asked for.",
}


def lacking(want: Any) -> str | None:
    """Why a want cannot be answered, or None if it can."""
    if isinstance(want, Advance) and want.by is not None:
        return f"{want.by!r} would have to draw; the server has one model. Run it with ramify.load()."
    reason = LACKING.get(type(want))
    return None if reason is None else f"{reason} Run it with ramify.load()."


def refuse_method(method: Method, options: Mapping[str, Any]) -> None:
    """Refuse a method that is known to want, with these options, what no server gives.

    Raises:
        Incompatible: naming the want.
    """
    if options.get("lookahead"):
        remedy = f"It wants Likeliest. {LACKING[Likeliest]} Take lookahead=0."
        raise Incompatible(f"{method.name}(lookahead={options['lookahead']})", "a remote server", remedy)
    for want, reason in LACKING.items():
        if any(value is want for value in vars(sys.modules[method.run.__module__]).values()):
            remedy = f"It wants {want.__name__}. {reason} Run it with ramify.load()."
            raise Incompatible(method.name, "a remote server", remedy)
    if method.models:
        fields = ", ".join(method.models)
        remedy = f"It lets other models write or judge ({fields}); the server has one. Run it with ramify.load()."
        raise Incompatible(method.name, "a remote server", remedy)
