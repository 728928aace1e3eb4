"""The verbs in the caller's own hands: a branch that forks, advances, is scored, truncated and dropped."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Protocol

from ramify.core.ledger import Ledger
from ramify.core.protocols import AnyReward, Codec
from ramify.core.strict import whole
from ramify.core.types import Branch
from ramify.engine.ending import text_of
from ramify.engine.engine import Engine


class Owner(Protocol):
    """What a handle wants of the model it belongs to."""

    engine: Engine

    @property
    def tokenizer(self) -> Codec: ...

    def reward(self, wish: Any) -> AnyReward: ...


class Handle:
    """A branch in your own hands. Leaves with `drop`, or with the `with` it was opened in."""

    def __init__(self, lm: Owner, branch: Branch) -> None:
        self.lm, self.branch = lm, branch

    def fork(self, n: int) -> list["Handle"]:
        """n branches that go on from here, each with its own randomness; this one stays."""
        return [Handle(self.lm, child) for child in self.lm.engine.fork(self.branch, n)]

    def advance(self, n: int = 1) -> "Handle":
        """Draw up to n more tokens. Raises OutOfPages, and changes nothing, if they do not fit."""
        self.lm.engine.advance([self.branch], n)
        return self

    def score(self, reward: Any) -> float:
        """The reward of the text so far (`final` if it is done)."""
        return self.lm.engine.score([self.branch], self.lm.reward(reward))[0]

    def truncate(self, length: int) -> "Handle":
        """Back to the first `length` drawn tokens."""
        whole("length", length, 0, self.branch.num_generated)
        self.lm.engine.truncate(self.branch, self.branch.num_prompt + length)
        return self

    def drop(self) -> None:
        """Give the pages back."""
        self.lm.engine.drop([self.branch])

    def __enter__(self) -> "Handle":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    @property
    def text(self) -> str:
        """What was drawn so far."""
        return text_of(self.branch, self.lm.tokenizer)

    @property
    def tokens(self) -> list[int]:
        """The drawn tokens."""
        return self.branch.generated

    @property
    def done(self) -> bool:
        """Whether it grows no further."""
        return self.branch.done

    @property
    def ledger(self) -> Ledger:
        """The account of this branch's family."""
        return self.branch.ledger


def advance_together(handles: Iterable[Handle], n: int = 1) -> None:
    """Advance several branches of one LM in shared steps."""
    handles = list(handles)
    if handles:
        handles[0].lm.engine.advance([h.branch for h in handles], n)
