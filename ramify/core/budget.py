"""What a run may spend, and whether it is spent."""

from dataclasses import dataclass, fields

from ramify.core.errors import BadInput
from ramify.core.ledger import Ledger
from ramify.core.strict import finite, whole


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may spend, over all its branches. A branch that meets the end of the budget finishes with "budget",
    and the search returns the best it has.

    Args:
        tokens: most tokens drawn. Never exceeded.
        reward_tokens: most tokens that reward models read. Never exceeded: a score that might take more is the last one
            that the branch had, or -inf. What others have read already is paid for all the same.
        draft_tokens: most tokens that drafts read; beyond them decoding is plain (the step that meets it is finished).
        flops: of all models. The step that meets it is finished, and what it drew may be scored.
        seconds: of wall time. The same; what is drawn then depends on the machine.
        pages: most KV pages of the target that the run's branches may hold at once (what `Room` measures).
    """

    tokens: int | None = None
    reward_tokens: int | None = None
    draft_tokens: int | None = None
    flops: float | None = None
    seconds: float | None = None
    pages: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            wish = getattr(self, field.name)
            if wish is None:
                continue
            if field.name not in ("flops", "seconds"):
                whole(f"budget.{field.name}", wish, 1, 1 << (32 if field.name == "pages" else 40))
            elif finite(f"budget.{field.name}", wish, 0.0, 1e30) == 0.0:
                raise BadInput(f"budget.{field.name}", "0 pays for nothing; it must be above 0")

    def spent(self, ledger: Ledger, seconds: float) -> bool:
        """Whether nothing more may be drawn, whatever `tokens` says."""
        over_flops = self.flops is not None and ledger.flops >= self.flops
        over_reward = self.reward_tokens is not None and ledger.reward_tokens >= self.reward_tokens
        return over_flops or over_reward or (self.seconds is not None and seconds >= self.seconds)
