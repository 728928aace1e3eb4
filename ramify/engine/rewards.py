"""Showing branches to a reward: builds the views, and refuses what is no number. -inf says: this cannot be."""

import math
import sys
from collections.abc import Callable, Sequence
from numbers import Real

from ramify.core.errors import RewardError
from ramify.core.protocols import Codec, Combined, Judged, Reward, View
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


def combined(reward: Combined, parts: Sequence[Sequence[float]], count: int) -> list[float]:
    """One score a branch from those of the parts.

    Raises:
        RewardError: `combine` raised, or returned something that is no number.
    """
    return [
        _number(reward.name, lambda b=b: reward.combine([part[b] for part in parts]), f"branch {b}")  # type: ignore[misc]
        for b in range(count)
    ]


def judged(reward: Judged, answers: Sequence[Sequence[float]]) -> list[float]:
    """One score a branch from the log-probabilities of the answers.

    Raises:
        RewardError: `score` raised, or returned something that is no number.
    """
    return [_number(reward.name, lambda a=a: reward.score(a), f"log-probabilities {a}") for a in answers]  # type: ignore[misc]


def _score(shown: View, reward: Reward) -> float:
    done = shown.branch.done
    return _number(reward.name, lambda: reward.final(shown) if done else reward.partial(shown), repr(shown.text[-60:]))


def _number(name: str, make: Callable[[], float], of: str) -> float:
    try:
        score = make()
    except Exception as error:
        raise RewardError(f"reward {name!r} raised {type(error).__name__}: {error}") from error
    if not (isinstance(score, Real) and (abs(score) <= sys.float_info.max or score == -math.inf)):
        raise RewardError(
            f"reward {name!r} returned {score!r} for {of}; a finite number is expected, or -inf for what cannot be"
        )
    return float(score)
