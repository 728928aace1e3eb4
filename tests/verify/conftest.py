"""Mistakes are made on purpose here."""

from collections.abc import Iterator

import pytest

from ramify.engine.engine import Engine


@pytest.fixture
def unaudited(monkeypatch: pytest.MonkeyPatch, balanced_books: None) -> Iterator[None]:
    """Whatever the test leaves behind is meant."""
    yield
    monkeypatch.setattr(Engine, "check", lambda engine: None)
