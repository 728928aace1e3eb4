"""The engines that every law runs on: the toy in several page sizes, the real one in each mode."""

from collections.abc import Callable

import pytest

from ramify.core.types import Prompt
from ramify.engine.engine import Engine
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model


def toy(page_size: int = 2, num_pages: int = 64, **options: object) -> Engine:
    """A toy engine with a reward model beside the target."""
    target = toy_model(num_pages=num_pages, page_size=page_size)
    judge = toy_model("judge", ToyModel(salt=5), scores=True, num_pages=num_pages, page_size=page_size)
    return Engine(target, {"judge": judge}, **options)  # type: ignore[arg-type]


def prompt(*tokens: int, seed: int = 0, **sampling: object) -> Prompt:
    """A prompt with sampling options."""
    from ramify.core.sampling import Sampling

    return Prompt(tuple(tokens), Sampling(**sampling), seed=seed)  # type: ignore[arg-type]


ENGINES: dict[str, Callable[..., Engine]] = {
    "toy-page1": lambda **o: toy(1, **o),
    "toy-page2": lambda **o: toy(2, **o),
    "toy-page3": lambda **o: toy(3, **o),
}
every_engine = pytest.mark.parametrize("make", ENGINES.values(), ids=ENGINES.keys())
