"""Showing branches to a reward: builds the views, and refuses what is not a finite number."""

import sys
from collections.abc import Sequence
from numbers import Real

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
    texts = dict[tuple[int, ...], str]()  # of prompts: most branches share theirs
    return [_score(view(b, codec, model, texts), reward) for b in branches]


def view(branch: Branch, codec: Codec, model: Model | None, texts: dict[tuple[int, ...], str] | None = None) -> View:
    """What a reward sees of a branch. `texts` remembers prompts that were decoded before."""
    texts, prompt = {} if texts is None else texts, tuple(branch.tokens[: branch.num_prompt])
    if prompt not in texts:
        texts[prompt] = codec.decode(prompt)
    values = tuple(model.readings[branch.id].values) if model is not None else ()
    return View(branch, texts[prompt], text_of(branch, codec), values)


def _score(shown: View, reward: Reward) -> float:
    try:
        score = reward.final(shown) if shown.branch.done else reward.partial(shown)
    except Exception as error:
        raise RewardError(f"reward {reward.name!r} raised {type(error).__name__}: {error}") from error
    if not (isinstance(score, Real) and abs(score) <= sys.float_info.max):
        raise RewardError(
            f"reward {reward.name!r} returned {score!r} for {shown.text[-60:]!r}; a finite number is expected"
        )
    return float(score)
