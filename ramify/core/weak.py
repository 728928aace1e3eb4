"""Calls back without keeping the owner alive: its parts would else hold models until the garbage collector comes by."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakMethod

P = ParamSpec("P")
T = TypeVar("T")


def weakly(method: Callable[P, T]) -> Callable[P, T]:
    """A bound method that does not hold its object; to be called while that lives."""
    held = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        alive = held()
        assert alive is not None, "called after its owner was gone"
        return alive(*args, **kwargs)

    return call
