"""What the tests against other people's work share: their files, if they are here, and `transformers`' models."""

from pathlib import Path

import pytest

from ramify.model import checkpoint
from tests.real import zoo

SHARED = Path(__file__).parents[3] / "shared" / "assets"


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of other people's models, beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: it is not part of the repository")
    return SHARED


class Pairs:
    """The same weights twice, made once a session: `transformers`' model, and ours read from its folder."""

    def __init__(self, root: Path) -> None:
        self._root, self._made = root, {}

    def __call__(self, name: str):
        if name not in self._made:
            folder = self._root / name
            self._made[name] = (zoo.build(*zoo.ZOO[name], folder), checkpoint.load(folder), folder)
        return self._made[name]


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """`pairs(name) -> (transformers' model, our checkpoint, its folder)` for a name of `zoo.ZOO`."""
    return Pairs(tmp_path_factory.mktemp("zoo"))
