"""What every test shares: the books of every engine that a test made are audited when it ends."""

from collections import deque
from collections.abc import Iterator

import pytest

from ramify.engine.engine import Engine


@pytest.fixture(autouse=True)
def balanced_books(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The last engines that the test made: `check` holds, whatever became of them."""
    made: deque[Engine] = deque(maxlen=64)  # enumerations make thousands
    build = Engine.__init__

    def remember(engine: Engine, *args: object, **options: object) -> None:
        build(engine, *args, **options)  # type: ignore[arg-type]
        made.append(engine)

    monkeypatch.setattr(Engine, "__init__", remember)
    yield
    for engine in made:
        engine.check()
