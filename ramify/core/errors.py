"""Everything ramify raises on purpose.

RamifyError
├── BadInput (also a ValueError)     a field the caller gave; names the field and the remedy
│   ├── UnknownName                  a method, option, reward or model nobody registered
│   └── Incompatible                 two features that do not compose; names the pair
├── CheckpointError                  weights or configuration that cannot be read or do not fit
│   └── UnknownArchitecture
├── BrokenNumbers                   a model whose logits are no numbers
├── OutOfPages                       a verb that needs more pages than are free
├── DraftError                       a drafter whose proposal cannot have come from the law it gives
├── RewardError                      a reward that raised, or returned something that is no number
├── RemoteError                      a server that refused, failed for good, or answered what cannot be read
├── Cancelled                        a search that somebody ended before it was over
├── Overloaded                       too many searches wait already; try again later
├── Closing                          a service that takes no new work
└── BooksUnbalanced                  our own mistake: pages lost or counted twice
"""

from collections.abc import Iterable
from difflib import get_close_matches


class RamifyError(Exception):
    """The root: catch this to catch everything that ramify raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self.args, self.__dict__)  # constructors take other things than the message


class BadInput(RamifyError, ValueError):
    """A field the caller gave is wrong; the message names it and says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class UnknownName(BadInput):
    """A name nobody registered; the message suggests the near one."""

    def __init__(self, field: str, name: str, known: Iterable[str]) -> None:
        choices = sorted(known)
        near = get_close_matches(str(name), choices, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(choices) or 'none'}"
        super().__init__(field, f"unknown {name!r}; {hint}")
        self.name = name


class Incompatible(BadInput):
    """Two features that do not compose: refused at admission, never ignored."""

    def __init__(self, first: str, second: str, remedy: str) -> None:
        super().__init__(f"{first} with {second}", f"these do not compose. {remedy}")
        self.pair = (first, second)


class CheckpointError(RamifyError):
    """Weights or configuration that cannot be read or do not fit."""


class UnknownArchitecture(CheckpointError):
    """A config.json whose model_type no decoder covers."""


class BrokenNumbers(RamifyError):
    """A model whose logits hold a NaN or an infinity where a number must be."""

    def __init__(self) -> None:
        super().__init__("the model's logits are no numbers. Its weights may be damaged, or too large for dtype.")


class OutOfPages(RamifyError):
    """More pages needed than are free. Nothing was changed.

    `role` is the model's whose pages they are (None: the target's). `branch` is the number of a branch that does not
    fit even where nobody else holds anything.
    """

    role: str | None = None
    branch: int | None = None

    def __init__(self, needed: int, free: int, branches: int) -> None:
        remedy = "Drop some, lower n, or" if branches > 1 else "Lower max_tokens, or"
        super().__init__(f"{needed} pages needed, {free} free, {branches} branches alive. {remedy} raise --kv-gib.")
        self.needed, self.free, self.branches = needed, free, branches


class DraftError(RamifyError):
    """A drafter whose proposal cannot have come from the law it gives: verifying it would change the target's law.

    `branch` is the number of the branch it was made for, where only that one is concerned.
    """

    branch: int | None = None


class RewardError(RamifyError):
    """A reward that raised, or that returned something that is no finite number."""


class Cancelled(RamifyError):
    """A search that somebody ended before it was over."""

    def __init__(self, message: str = "the search was cancelled before it was over") -> None:
        super().__init__(message)


class Overloaded(RamifyError):
    """As many searches wait as may: try again later."""


class Closing(RamifyError):
    """A service that takes no new work, or was closed before this was done."""


class RemoteError(RamifyError):
    """A server that refused a request, failed again and again, or answered what cannot be read.

    `status` is the HTTP status, if there was an answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class BooksUnbalanced(RamifyError):
    """Pages lost or counted twice. A bug in ramify: please report it."""


def _again(kind: type[RamifyError], args: tuple[object, ...], fields: dict[str, object]) -> RamifyError:
    """An error that went through a pipe."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__ |= fields
    return error
