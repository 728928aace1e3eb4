"""Models that the tests of the API load: written once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ramify import api
from tests import folders
from tests.model import vocabularies


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of folders: target, orm, prm; short (context 24), other (another tokenizer), mute (no begin token)."""
    root = tmp_path_factory.mktemp("models")
    folders.write(root / "target")
    folders.write(root / "orm", seed=1, head="Sequence")
    folders.write(root / "prm", seed=2, head="Token")
    folders.write(root / "short", seed=3, head="Sequence", context=24)
    folders.write(root / "other", seed=4, head="Sequence", tokenizer=vocabularies.byte_level())
    folders.write(root / "mute", tokenizer=vocabularies.byte_level(), begin=False)
    return root


@pytest.fixture
def load(models: Path) -> Iterator[Callable[..., api.LM]]:
    """`load(name, **options)`: books that balance and end empty are part of every test."""
    made: list[api.LM] = []

    def make(name: str = "target", **options: Any) -> api.LM:
        made.append(api.load(models / name, **({"kv_gib": 0.01, "page_size": 8} | options)))
        return made[-1]

    yield make
    for lm in made:
        with lm:
            lm.check()
        lm.check()
        assert not lm.engine.branches
        assert all(model.book.free == model.book.pool.num_pages for model in lm.engine.models)
