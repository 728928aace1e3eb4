"""What a run may still spend: tokens, which are reserved before a request and given back, and time."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from ramify.core.errors import Incompatible
from ramify.core.types import Budget

UNCOUNTED = {
    "reward_tokens": "What a server's rewards read is not known before they have read it.",
    "draft_tokens": "A server drafts, or not, as it likes.",
    "flops": "A server's FLOPs are not known.",
}


@dataclass
class Purse:
    """The rest of a budget. Tokens are the server's count of what it drew."""

    tokens: int | None = None
    deadline: float | None = None  # of the monotonic clock

    @classmethod
    def of(cls, budget: Budget) -> "Purse":
        """A budget whose clock starts now."""
        return cls(budget.tokens, None if budget.seconds is None else monotonic() + budget.seconds)

    @property
    def seconds(self) -> float | None:
        """What is left of the time."""
        return None if self.deadline is None else max(0.0, self.deadline - monotonic())

    def grants(self, needs: Sequence[int]) -> list[int] | None:
        """As many tokens for each as all can get, reserved; None where not each can get one, or time is up."""
        if self.seconds == 0.0 or (self.tokens is not None and self.tokens < len(needs)):
            return None
        if self.tokens is None:
            return list(needs)
        share = self.tokens // max(1, len(needs))
        granted = [min(need, share) for need in needs]
        self.tokens -= sum(granted)
        return granted

    def give_back(self, tokens: int) -> None:
        """What was reserved and not drawn; below 0 where a server drew more than it was asked for."""
        if self.tokens is not None:
            self.tokens += tokens


def refuse_budget(budget: Budget) -> None:
    """Refuse what a client cannot keep to.

    Raises:
        Incompatible: naming the field.
    """
    for name, why in UNCOUNTED.items():
        if getattr(budget, name) is not None:
            raise Incompatible(f"budget.{name}", "a remote server", f"{why} Take budget.tokens or budget.seconds.")
