"""The built-in pair, loaded once a test session, and problems to write about."""

from functools import cache
from typing import Any

from ramify import LM, Result, Speculate, load
from ramify.api import problems


@cache
def plain(mode: str = "fast") -> LM:
    """The target alone."""
    return load("builtin", mode=mode)  # type: ignore[arg-type]


@cache
def prompts(count: int, seed: int = 0) -> list[str]:
    """Problems of all lengths."""
    return [problem.prompt for problem in problems(count, seed)]


def drafting(draft: Any = "builtin-draft", mode: str = "fast", **wishes: Any) -> LM:
    """The target with a draft."""
    return load("builtin", mode=mode, speculate=Speculate(draft=draft, **wishes))  # type: ignore[arg-type]


def written(lm: LM, texts: list[str], batch: int | None = None, **wishes: Any) -> list[Result]:
    """One sample of each prompt, `batch` prompts at a time, each with a seed of its own; the books balance after."""
    found = list[Result]()
    for first in range(0, len(texts), batch or len(texts)):
        some = texts[first : first + (batch or len(texts))]
        found += lm.search_many(some, "sample", n=1, **{"seed": first, "max_tokens": 96} | wishes)
        lm.check()
    return found


def same(a: list[Result], b: list[Result]) -> list[bool]:
    """Whether each text is token for token the other's, ended alike."""
    pairs = zip(a, b, strict=True)
    return [x.best.token_ids == y.best.token_ids and x.best.stopped_because == y.best.stopped_because for x, y in pairs]
