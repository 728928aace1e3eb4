"""Servers to connect to, without a network."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ramify
from ramify.api.remote import Remote
from tests.remote.fakes import ToyServer

Meet = Callable[..., Remote]


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Connects to a fake server; everything is hung up when the test ends."""
    met = list[Remote]()

    def connect(toy: ToyServer, **declared: Any) -> Remote:
        declared = {"backoff": 0.001, "transport": toy.transport()} | declared
        met.append(ramify.connect("http://toy/v1", **declared))
        toy.seen.clear()
        toy.drawn = 0
        return met[-1]

    yield connect
    for remote in met:
        remote.close()
