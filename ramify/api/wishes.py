"""What a search is asked for, resolved and checked at the door: method, options, sampling, rewards, guide, budget."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ramify.api.beside import Beside
from ramify.api.choosing import Choosing
from ramify.api.guides import GuideLike, guide_of
from ramify.api.rewards import RewardLike, Rewards
from ramify.core.errors import BadInput, Incompatible
from ramify.core.protocols import AnyReward, Method
from ramify.core.registry import lookup, names
from ramify.core.sampling import Sampling
from ramify.core.types import Budget, Guide
from ramify.engine.engine import Engine
from ramify.model.generation import GenerationDefaults


class Wishes:
    """Resolves what callers of one model ask for."""

    def __init__(self, engine: Engine, defaults: GenerationDefaults, beside: Beside, rewards: Rewards) -> None:
        self.engine, self.defaults, self.beside, self.rewards = engine, defaults, beside, rewards
        self._choosing = Choosing(defaults.sampling_options(), beside.writer, lambda: len(engine.branches))

    def rewards_for(
        self, method: Method, wish: RewardLike | Sequence[RewardLike] | None, count: int
    ) -> list[AnyReward | None]:
        """A reward for each of `count` prompts.

        Raises:
            BadInput: the method needs one, or there are not as many. UnknownName: nobody knows it.
        """
        if wish is None:
            if method.uses_reward:
                raise BadInput(
                    "reward", f"{method.name} ranks by one: 'builtin-prm', 'logprob', a folder or a function"
                )
            return [None] * count
        if isinstance(wish, str | Path) or not isinstance(wish, Sequence):
            return [self.rewards(wish)] * count
        if len(wish) != count:
            raise BadInput("reward", f"{len(wish)} rewards for {count} prompts")
        return [self.rewards(w) for w in wish]

    def method(self, method: str | Method, options: Mapping[str, Any]) -> tuple[Method, Sampling, dict[str, Any]]:
        """The method that is asked for, the sampling, and the method's own options (see `Choosing`)."""
        return self._choosing(method, options)

    def guide(self, wish: GuideLike | None, speculate: bool) -> Guide | None:
        """The guide that is asked for.

        Raises:
            Incompatible: drafts would be verified by other laws.
        """
        if wish is None:
            return None
        if speculate and self.engine.speculator is not None:
            remedy = (
                "A draft is verified by the target's own laws; search with speculate=False, or load without a draft."
            )
            raise Incompatible("guide", "speculate", remedy)
        return guide_of(wish, self.beside)

    def budget(self, method: Method, budget: Budget | None) -> Budget:
        """A method that fills its room needs to know how much that is, whoever runs beside it.

        Raises:
            Incompatible: the method does not fill its pages.
        """
        budget = Budget() if budget is None else budget
        if not isinstance(budget, Budget):
            raise BadInput("budget", f"ramify.Budget(tokens=..., pages=...) is expected, not {budget!r}")
        if budget.pages is not None and not method.uses_room:
            filling = [name for name in names("method") if lookup("method", name).uses_room]
            raise Incompatible("budget.pages", method.name, f"Methods that fill their pages: {', '.join(filling)}.")
        if method.uses_room and budget.pages is None:
            return replace(budget, pages=max(1, self.engine.target.runner.num_pages // 8))
        return budget
