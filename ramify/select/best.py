"""The highest score; the earliest of equals. Without any score, the first."""

from ramify.core.types import best_of as select

__all__ = ["select"]
