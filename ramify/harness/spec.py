"""Methods as they are written on the command line: a name, or a name with options.

    greedy, best-of-n(select=weighted-majority), best-of-n(reward=logprob, temperature=0.7), sample(n=64)

An option is one of the method's own, one of sampling, or `reward`. A value is JSON where it can be read as JSON, else
text. What the options mean is the method's business: it is asked before anything is measured.
"""

from dataclasses import dataclass
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.registry import lookup
from ramify.core.spec import parse, parts, written
from ramify.core.strict import keyword_options

TAKEN = ("self", "prompts", "method", "budget", "seed", "progress", "extract", "speculate")  # the harness fills them in


@dataclass(frozen=True)
class Spec:
    """A method and its options, in the order of their names."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def method(self) -> Method:
        """The registered search. Raises UnknownName if there is none."""
        method: Method = lookup("method", self.name)
        return method

    @property
    def setting(self) -> str:
        """The options, written in one way only."""
        return ", ".join(f"{name}={written(value)}" for name, value in self.options)

    @property
    def label(self) -> str:
        """The method as it was asked for: reading it gives the same again."""
        return f"{self.name}({self.setting})" if self.options else self.name

    @property
    def size(self) -> str | None:
        """The option that more compute goes into; None where there is none, or where it is set."""
        size = self.method.size
        return size if size in keyword_options(self.method.run) and size not in dict(self.options) else None


def read_specs(text: str) -> list[Spec]:
    """Methods with commas between.

    Raises:
        BadInput: it cannot be read, or names one method with one setting twice. UnknownName: there is no such method.
    """
    specs = [_spec(part) for part in parts(text, "methods")]
    for place, spec in enumerate(specs):
        if spec in specs[:place]:
            raise BadInput("methods", f"{spec.label} is given twice")
        lookup("method", spec.name)
    return specs


def _spec(text: str) -> Spec:
    name, options = parse(text, "methods")
    for option in options:
        if option in TAKEN:
            raise BadInput("methods", f"{option} is not an option of {name}: the comparison fills it in")
    return Spec(name, tuple(sorted(options.items())))
