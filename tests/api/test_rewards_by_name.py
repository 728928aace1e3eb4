"""Rewards by name on real checkpoints, in every arithmetic: what they say is what they are."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ramify.api import LM
from ramify.core.errors import BadInput, CheckpointError, UnknownName

Load = Callable[..., LM]
TEXT, WISH = "the cat sat", {"n": 3, "seed": 3, "max_tokens": 6, "ignore_eos": True}


def scores(lm: LM, reward: object) -> list[float]:
    result = lm.search(TEXT, "best-of-n", reward=reward, logprobs=0, **WISH)  # type: ignore[arg-type]
    return [c.score for c in result.candidates if c.score is not None]


@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_the_targets_own_likelihood_is_the_sum_of_its_log_probabilities(load: Load, models: Path, mode: str) -> None:
    lm = load(mode=mode)
    result = lm.search(TEXT, "best-of-n", reward=f"likelihood:{models / 'target'}", logprobs=0, **WISH)
    for candidate in result.candidates:
        assert candidate.score == pytest.approx(sum(t.logprob for t in candidate.logprobs), abs=1e-4)
    assert result.ledger.recomputed_tokens == 0


@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_sums_are_sums(load: Load, models: Path, mode: str) -> None:
    lm, orm, likely = load(mode=mode), str(models / "orm"), f"likelihood:{models / 'target'}"
    parts, both = (scores(lm, orm), scores(lm, likely)), scores(lm, f"0.5*{orm}+-2*{likely}")
    assert both == pytest.approx([0.5 * a - 2 * b for a, b in zip(*parts, strict=True)], abs=1e-3)


def test_a_policy_against_itself_is_worth_nothing(load: Load, models: Path) -> None:
    assert scores(load(mode="exact"), f"dpo:{models / 'target'}") == pytest.approx([0.0] * 3, abs=1e-4)


def test_asking_another_model_of_the_same_weights_is_asking_the_target(load: Load, models: Path) -> None:
    lm = load(mode="exact")
    assert scores(lm, "judge") == pytest.approx(scores(lm, f"judge:{models / 'target'}"), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("0.5*orn", UnknownName, "orn"),
        ("likelihood:nowhere", UnknownName, "nowhere"),
        ("1.2.3*logprob", BadInput, "is no weight"),
        ("{target}", CheckpointError, "likelihood:"),
    ],
)
def test_refusals(load: Load, models: Path, name: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        load().reward(name.format(target=models / "target"))
