"""Rewards by name: what a caller may ask for, and the objects behind it.

builtin-prm, builtin-orm, a folder with a value head     a reward model
logprob                                                 mean log-probability of the drawn tokens
likelihood:MODEL                                        their log-probability under another model
dpo:MODEL                                               log p_MODEL - log p_target (builtin-dpo: of builtin-tuned)
judge:MODEL                                             a model's own yes or no (judge: the target's)
0.5*builtin-prm+builtin-dpo                             a linear combination
a function of (prompt, text), or a reward object
"""

import re
from collections.abc import Callable
from pathlib import Path

from ramify.api.beside import Beside
from ramify.api.sources import BUILTIN_REWARDS
from ramify.core.errors import BadInput, CheckpointError, UnknownName
from ramify.core.protocols import AnyReward, Combined, Judged, Reward
from ramify.model import checkpoint
from ramify.model.tokenizer import Tokenizer
from ramify.reward.checker import Checker
from ramify.reward.ensemble import weighted
from ramify.reward.implicit import dpo_implicit
from ramify.reward.likelihood import Likelihood
from ramify.reward.logprob import MeanLogprob
from ramify.reward.outcome import OutcomeReward
from ramify.reward.process import ProcessReward
from ramify.reward.self_evaluation import self_evaluation

RewardLike = str | Path | AnyReward | Callable[[str, str], float]
NAMES = (
    *BUILTIN_REWARDS,
    "builtin-dpo",
    "logprob",
    "judge",
    "judge:MODEL",
    "likelihood:MODEL",
    "dpo:MODEL",
    "a folder",
)
TERM = re.compile(r"(?:([+-]?[0-9.]+(?:e[+-]?[0-9]+)?)\*)?(.+)", re.IGNORECASE)


class Rewards:
    """Resolves what callers ask for; a reward model is loaded once."""

    def __init__(self, beside: Beside, tokenizer: Tokenizer) -> None:
        self.beside, self.tokenizer = beside, tokenizer
        self._known: dict[str, AnyReward] = {}

    def __call__(self, wish: RewardLike) -> AnyReward:
        """The reward behind a name, a folder, a function or itself.

        Raises:
            UnknownName: nobody knows it. BadInput: it is no reward. Incompatible: other tokens than the target's.
        """
        if isinstance(wish, str | Path):
            key = str(wish)
            if key not in self._known:
                self._known[key] = self._named(key)
            return self._known[key]
        if isinstance(wish, Combined | Judged) or (hasattr(wish, "partial") and hasattr(wish, "final")):
            return wish  # type: ignore[return-value]
        if callable(wish):
            return Checker(wish)
        raise BadInput("reward", f"{wish!r} is neither a name, nor a folder, nor a function of (prompt, text)")

    def _named(self, name: str) -> AnyReward:
        terms = [TERM.fullmatch(part.strip()) for part in name.split("+")]
        if (len(terms) > 1 or (terms[0] and terms[0][1])) and self.beside.folders.find(name) is None and all(terms):
            parts = [(1.0 if t[1] is None else _weight(t[1]), self(t[2])) for t in terms if t]
            return weighted(name, parts)
        kind, _, model = name.partition(":")
        if name == "logprob":
            return MeanLogprob()
        if kind == "likelihood" and model:
            return Likelihood(name, self.beside.likelihood(model, "reward"))
        if (kind == "dpo" and model) or name == "builtin-dpo":
            policy = self.beside.likelihood(model or "builtin-tuned", "reward")
            return dpo_implicit(name, Likelihood(f"{name} policy", policy))
        if kind == "judge":
            return self_evaluation(name, self.beside.writer(model, "reward") if model else None)
        return self._valued(name)

    def _valued(self, name: str) -> Reward:
        folder = self.beside.folders.find(name)
        if folder is None:
            raise UnknownName("reward", name, NAMES)
        kind = str(checkpoint.read_json(folder / "config.json").get("architectures", ""))
        if "CausalLM" in kind:
            raise CheckpointError(
                f"reward {name!r}: the folder has no value head; likelihood:{name} reads it as a model"
            )
        self.beside.values(folder, name)
        if "TokenClassification" in kind:
            return ProcessReward(name, name, self.tokenizer)
        return OutcomeReward(name, name)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInput("reward", f"{text!r} is no weight") from None
