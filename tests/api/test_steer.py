"""A steered target from the outside: files and objects, drafts in front of it, and what does not compose."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ramify.api import LM, Speculate, Steering
from ramify.core.errors import BadInput, CheckpointError, Incompatible
from tests.folders import WIDTH

Load = Callable[..., LM]
TEXT = "the hall"
GREEDY = {"temperature": 0.0, "max_tokens": 24, "ignore_eos": True}
STEERING = Steering({1: 3.0 * torch.randn(WIDTH, generator=torch.Generator().manual_seed(5))}, 0.7)


def tokens(lm: LM, **options: Any) -> tuple[int, ...]:
    return tuple(lm.search(TEXT, "sample", seed=4, **GREEDY, **options).best.token_ids)


def test_a_file_steers_like_the_object_and_zero_does_not(load: Load, tmp_path: Path) -> None:
    STEERING.save(tmp_path / "v.safetensors")
    plain, steered = tokens(load()), tokens(load(steer=STEERING))
    assert (
        plain != steered == tokens(load(steer=tmp_path / "v.safetensors")) == tokens(load(steer=STEERING, mode="exact"))
    )
    assert tokens(load(steer=STEERING.at(0.0))) == plain


@pytest.mark.parametrize("draft", ["model", "ngram"])
def test_with_drafts_the_text_is_the_steered_models(draft: str, load: Load, models: Path) -> None:
    """The draft is the unsteered target: it proposes what that would say, the steered one decides."""
    wish = Speculate(draft=models / "target" if draft == "model" else draft, shape="chain:3")
    lm = load(steer=STEERING, speculate=wish)
    assert tokens(lm) == tokens(lm, speculate=False) == tokens(load(steer=STEERING))
    drafts = lm.search(TEXT, "sample", seed=4, **GREEDY).ledger.drafts
    assert drafts.accepted > 0 or draft == "model"
    if draft == "model":
        assert drafts.drafted > drafts.accepted, "it is another model that the draft proposes for"
        assert lm.engine.speculator is not None
        [own] = lm.engine.speculator.models
        assert own.runner.rolling is not None and lm.engine.target.runner.rolling is None, "only the target is steered"


def test_a_reward_model_of_the_same_folder_is_not_steered(load: Load, models: Path) -> None:
    options = {"n": 2, "seed": 3, "max_tokens": 6, "reward": str(models / "orm")}
    lm = load(steer=STEERING)
    texts = lm.search(TEXT, "best-of-n", **options).candidates
    plain = load()
    judge = plain.reward(str(models / "orm"))
    assert lm.engine.others.keys() == plain.engine.others.keys() and judge is not None
    assert all(model.runner.decoder.steer is None for model in lm.engine.others.values()) and len(texts) == 2


def test_what_is_refused(load: Load, tmp_path: Path) -> None:
    with pytest.raises(Incompatible, match="steering with draft 'skip-layers'"):
        load(steer=STEERING, speculate="skip-layers")
    with pytest.raises(Incompatible, match="steering of width 2 with a model of width 96"):
        load(steer=Steering({0: torch.ones(2)}))
    with pytest.raises(CheckpointError, match="no such file"):
        load(steer=tmp_path / "none.safetensors")
    with pytest.raises(BadInput, match="steer: 3 is neither"):
        load(steer=3)
    assert load(steer=STEERING.at(0.0), speculate="skip-layers").steering is not None  # nothing is steered
