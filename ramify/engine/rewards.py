"""Showing branches to a reward: builds the views, and refuses what is not a finite number."""

import math
from collections.abc import Sequence

from ramify.core.errors import RewardError
from ramify.core.protocols import Codec, Reward, View
from ramify.core.types import Branch
from ramify.engine.ending import text_of
from ramify.engine.model import Model


def score_views(branches: Sequence[Branch], reward: Reward, codec: Codec, model: Model | None) -> list[float]:
    """The reward of each branch, `model` (if any) having read them all.

    Raises:
        RewardError: the reward raised, or returned something that is no finite number.
    """
    return [_score(view(b, codec, model), reward) for b in branches]


def view(branch: Branch, codec: Codec, model: Model | None) -> View:
    """What a reward sees of a branch."""
    prompt = codec.decode(branch.tokens[: branch.num_prompt])
    values = tuple(model.readings[branch.id].values) if model is not None else ()
    return View(branch, prompt, text_of(branch, codec), values)


def _score(shown: View, reward: Reward) -> float:
    try:
        score = reward.final(shown) if shown.branch.done else reward.partial(shown)
    except Exception as error:
        raise RewardError(f"reward {reward.name!r} raised {type(error).__name__}: {error}") from error
    if isinstance(score, bool):
        score = float(score)
    if not isinstance(score, int | float) or not math.isfinite(score):
        raise RewardError(
            f"reward {reward.name!r} returned {score!r} for {shown.text[-60:]!r}; a finite number is expected"
        )
    return float(score)
