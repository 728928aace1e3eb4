"""Which method is asked for, with which options and which sampling: names looked up, values checked at the door."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from ramify.core.errors import BadInput, UnknownName
from ramify.core.protocols import Method
from ramify.core.registry import lookup
from ramify.core.sampling import Sampling
from ramify.core.spec import parse
from ramify.core.strict import fitting, from_mapping, keyword_options, role, whole
from ramify.engine.engine import MAX_BRANCHES
from ramify.search.nested import nested

SAMPLING_FIELDS = {f.name for f in fields(Sampling)}


class Choosing:
    """Resolves what callers of one model, or one server, ask for.

    Args:
        defaults: sampling where a caller says nothing.
        writer: the role of a model that an option of that name names.
        alive: branches that are there already.
    """

    def __init__(
        self,
        defaults: Mapping[str, Any],
        writer: Callable[[str | Path, str], str],
        alive: Callable[[], int] = lambda: 0,
    ) -> None:
        self.defaults, self.writer, self.alive = defaults, writer, alive

    def __call__(self, method: str | Method, options: Mapping[str, Any]) -> tuple[Method, Sampling, dict[str, Any]]:
        """The method that is asked for, the sampling, and the method's own options.

        Raises:
            UnknownName: nobody knows the method, or an option. BadInput: a value is out of range.
        """
        if isinstance(method, Method):
            return method, *self._options(method, options)
        name, written = parse(method, "method") if "(" in str(method) else (method, {})
        if both := sorted(written.keys() & options.keys()):
            raise BadInput(both[0], f"it is given in {method!r} and beside it")
        chosen, wishes = lookup("method", name), written | dict(options)
        sampling, own = self._options(chosen, wishes)
        if "each" in own:
            inner, other, inner_own = self(own["each"], {})
            if other != from_mapping(Sampling, self.defaults):
                raise BadInput("each", "sampling is given once, beside the outer method")
            outer_scores = chosen.uses_reward
            chosen = replace(
                chosen,
                run=nested,
                uses_reward=chosen.uses_reward or inner.uses_reward,
                uses_room=inner.uses_room,
            )
            own |= {"each": partial(inner.run, **inner_own), "scored": outer_scores}
        return chosen, sampling, own

    def _options(self, method: Method, options: Mapping[str, Any]) -> tuple[Sampling, dict[str, Any]]:
        known = keyword_options(method.run)
        outer = {"each"} if known.keys() == {"n", "select"} else set()  # who only draws n candidates and chooses
        own = {name: value for name, value in options.items() if name in known or name in outer}
        wish = {name: value for name, value in options.items() if name in SAMPLING_FIELDS and name not in own}
        for name in options:
            if name not in own and name not in wish:
                others = ("reward", "budget", "extract", "guide")
                raise UnknownName("option", name, [*known, *outer, *SAMPLING_FIELDS, *others])
        if "n" in known:
            own["n"] = whole("n", own.get("n", known["n"].default), 1, MAX_BRANCHES - self.alive())
        if method.select is not None:
            rule = own.get("select", method.select)
            own["select"] = lookup("select", rule) if isinstance(rule, str) else rule
            if not callable(own["select"]):
                raise BadInput("select", f"{rule!r} is neither a name nor a function of ended candidates")
        fitting({name: value for name, value in own.items() if name not in method.models}, known)
        for field in method.models:
            own[field] = self._models(field, own.get(field, known[field].default), known[field].default)
        return from_mapping(Sampling, {**self.defaults, **wish}), own

    def _models(self, field: str, wished: Any, default: Any) -> Any:
        """The role, or roles, behind what an option that names models was given; None only where it may be left out."""
        if wished is None and default is None:
            return None
        if isinstance(wished, list | tuple):
            return tuple(self._models(field, model, None) for model in wished)
        return self.writer(wished if isinstance(wished, Path) else role(field, wished), field)
