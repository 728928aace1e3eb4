"""The engines that every law is tried on: the toy in several page sizes, real models in every mode."""

from functools import cache
from pathlib import Path

import pytest

from ramify.model import checkpoint
from ramify.model.paged import Mode
from ramify.model.tokenizer import Tokenizer
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


LABS = {
    **{f"toy, pages of {size}": (lambda size=size: toy_lab(size)) for size in (1, 2, 3, 5)},
    **{f"tiny, {mode}": (lambda mode=mode: tiny(mode)) for mode in ("fast", "exact", "reference")},
    **{f"stories260K, {mode}": (lambda mode=mode: stories(mode)) for mode in ("fast", "exact")},
}
every_lab = pytest.mark.parametrize("lab", [pytest.param(make, id=name) for name, make in LABS.items()], indirect=True)
