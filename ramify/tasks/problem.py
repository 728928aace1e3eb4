"""What a verifiable problem is: a text, the one canonical solution, and the steps inside it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")


@dataclass(frozen=True, slots=True)
class Step:
    """One equation of a solution, for instance ``Step("12 + 5", "17")``."""

    expression: str
    result: str

    @property
    def equation(self) -> str:
        """The step as it is written in a solution: ``12 + 5 = 17``."""
        return f"{self.expression} = {self.result}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with a checkable answer.

    text      the question, without a trailing line break
    solution  the canonical solution: one step per line, then a last line ``#### 42``
    answer    the final answer, digits only ("42"), compared as a number
    steps     the equations of the solution in their order
    split     "train" or "held_out"
    """

    text: str
    solution: str
    answer: str
    steps: tuple[Step, ...]
    split: Split

    @property
    def prompt(self) -> str:
        """What a model is given: the text and one line break. The solution follows it."""
        return self.text + "\n"
