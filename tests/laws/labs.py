"""The engines that every law is tried on: the toy in several page sizes, real models in every mode."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ramify.core.registry import lookup
from ramify.engine.engine import Engine
from ramify.model import checkpoint
from ramify.model.paged import Mode
from ramify.model.tokenizer import Tokenizer
from ramify.speculate.drafters.model import ModelDrafter
from ramify.speculate.plan import Always, chain
from ramify.speculate.shapes import Likeliest, Shape
from ramify.speculate.speculation import Speculation
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from ramify.verify.lab import Lab, decoder_lab, toy_lab
from tests.toys import Ids, tiny_checkpoint

STORIES = Path(__file__).parents[3] / "shared" / "assets" / "lm" / "stories260K"
PROMPTS = ((1, 5, 9, 2), (3,), (1, 5, 9, 2, 7, 7, 11, 4, 3, 2, 16, 8, 1), tuple(i * i % 17 for i in range(1, 38)))


@cache
def tiny(mode: Mode) -> Lab:
    """Random weights: present everywhere. Pages of 4, so that texts are many pages."""
    return decoder_lab("tiny", tiny_checkpoint(), Ids(), mode, PROMPTS, page_size=4)


@cache
def stories(mode: Mode) -> Lab:
    """A trained model of another author; absent on a user's machine."""
    if not STORIES.is_dir():
        pytest.skip(f"{STORIES} is absent: it is not part of the repository")
    return decoder_lab("stories260K", checkpoint.load(STORIES), Tokenizer.load(STORIES), mode, PROMPTS, page_size=8)


def with_drafts(lab: Lab, shape: Shape) -> Lab:
    """The same engines with a draft in front of them, whose tokens are taken as far as the target draws them, too."""

    def make(num_pages: int = 256, **options: Any) -> Engine:
        engine = lab.make(num_pages=num_pages, **options)
        draft = toy_model("draft", ToyModel(salt=3), num_pages=num_pages, page_size=lab.page_size)
        coupled = lookup("verifier", "coupled")
        engine.speculator = Speculation(ModelDrafter(draft), coupled, Always(shape), engine.target.runner.vocab_size)
        return engine

    return replace(lab, name=f"{lab.name}, with drafts", make=make)


LABS = {
    **{f"toy, pages of {size}": (lambda size=size: toy_lab(size)) for size in (1, 2, 3, 5)},
    "toy, pages of 2, chains drafted": lambda: with_drafts(toy_lab(2), chain(3)),
    "toy, pages of 3, trees drafted": lambda: with_drafts(toy_lab(3), Likeliest((2, 2))),
    **{f"tiny, {mode}": (lambda mode=mode: tiny(mode)) for mode in ("fast", "exact", "reference")},
    **{f"stories260K, {mode}": (lambda mode=mode: stories(mode)) for mode in ("fast", "exact")},
}
every_lab = pytest.mark.parametrize("lab", [pytest.param(make, id=name) for name, make in LABS.items()], indirect=True)
