"""A Python function as a reward: a checker, a unit test, any score of a text."""

from collections.abc import Callable
from dataclasses import dataclass

from ramify.core.protocols import View

Score = Callable[[str, str], float]  # (prompt, generated text) -> score; higher is better


@dataclass(frozen=True)
class Checker:
    """Scores partial and final texts by one function of (prompt, text)."""

    function: Score
    name: str = "checker"
    model: str | None = None
    needs_logprobs: bool = False

    def partial(self, view: View) -> float:
        """The function's score of the text so far."""
        return self.function(view.prompt, view.text)

    def final(self, view: View) -> float:
        """The function's score."""
        return self.function(view.prompt, view.text)
