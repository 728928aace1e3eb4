"""How big things are: small enough to hold in the head, or with a written reason."""

import ast
from dataclasses import dataclass
from statistics import median

from tests.house.source import Module, functions

MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from `def` to its end, docstring excluded."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def size_problems(module: Module, decisions: str) -> list[str]:
    """Files over the limit that no decision names, and functions over theirs."""
    found = []
    lines = len(module.text.splitlines())
    if lines > MOST_FILE_LINES and f"{module.place}.py" not in decisions:
        found.append(f"{module.place}: {lines} lines; over {MOST_FILE_LINES} needs a reason in docs/decisions/")
    for function in functions(module.tree):
        length = function_lines(function)
        if length > MOST_FUNCTION_LINES:
            found.append(f"{module.place}:{function.lineno}: {function.name}() has {length} lines")
    return found


@dataclass(frozen=True)
class Census:
    """The house in numbers."""

    files: int
    lines: int
    median_file: float
    functions: int
    median_function: float

    def __str__(self) -> str:
        return (
            f"{self.files} files, {self.lines} lines, median file {self.median_file:.0f}; "
            f"{self.functions} functions, median function {self.median_function:.0f}"
        )


def census(house: list[Module]) -> Census:
    """Counts and medians; empty files (bare packages) are left out."""
    lengths = [len(m.text.splitlines()) for m in house if m.text.strip()]
    bodies = [function_lines(f) for m in house for f in functions(m.tree)]
    return Census(len(lengths), sum(lengths), median(lengths), len(bodies), median(bodies))
