"""What a search is asked for, resolved and checked at the door: method, options, sampling, rewards, guide, budget."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from ramify.api.beside import Beside
from ramify.api.guides import GuideLike, guide_of
from ramify.api.rewards import RewardLike, Rewards
from ramify.core.errors import BadInput, Incompatible, UnknownName
from ramify.core.protocols import AnyReward, Method
from ramify.core.registry import lookup, names
from ramify.core.sampling import Sampling
from ramify.core.spec import parse
from ramify.core.strict import fitting, from_mapping, keyword_options, role, whole
from ramify.core.types import Budget, Guide
from ramify.engine.engine import MAX_BRANCHES, Engine
from ramify.model.generation import GenerationDefaults
from ramify.search.nested import nested

SAMPLING_FIELDS = {f.name for f in fields(Sampling)}


class Wishes:
    """Resolves what callers of one model ask for."""

    def __init__(self, engine: Engine, defaults: GenerationDefaults, beside: Beside, rewards: Rewards) -> None:
        self.engine, self.defaults, self.beside, self.rewards = engine, defaults, beside, rewards

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
            inner, other, inner_own = self.method(own["each"], {})
            if other != from_mapping(Sampling, self.defaults.sampling_options()):
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
            own["n"] = whole("n", own.get("n", known["n"].default), 1, MAX_BRANCHES - len(self.engine.branches))
        if method.select is not None:
            rule = own.get("select", method.select)
            own["select"] = lookup("select", rule) if isinstance(rule, str) else rule
            if not callable(own["select"]):
                raise BadInput("select", f"{rule!r} is neither a name nor a function of ended candidates")
        fitting({name: value for name, value in own.items() if name not in method.models}, known)
        for field in method.models:
            own[field] = self._models(field, own.get(field, known[field].default), known[field].default)
        return from_mapping(Sampling, self.defaults.sampling_options() | wish), own

    def _models(self, field: str, wished: Any, default: Any) -> Any:
        """The role, or roles, behind what an option that names models was given; None only where it may be left out."""
        if wished is None and default is None:
            return None
        if isinstance(wished, list | tuple):
            return tuple(self._models(field, model, None) for model in wished)
        return self.beside.writer(wished if isinstance(wished, Path) else role(field, wished), field)

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
