"""Is a text right? The final answer, and every line of the way.

The answer is what stands after the first ``####``, as in GSM8K (Cobbe et al. 2021,
arXiv:2110.14168). A line is right when it states the canonical next equation; after the first wrong
line nothing is right any more ("prefix-correct" labels, Lightman et al. 2023, arXiv:2305.20050).
"""

import re
from fractions import Fraction

from ramify.tasks.problem import Problem, Step

MARK = "####"
# A number must end where it seems to end: not "42/2", "42e3", "4,2" or "42.5.1". No number of a
# problem is long, so a number of thousands of digits (which Python refuses to convert) is none.
_END = r"(?![\w/^*+-]|[.,][0-9])"
_ANSWER = re.compile(r"####[ \t]*\$?(-?(?:[0-9]{1,3}(?:,[0-9]{3}){1,20}|[0-9]{1,60})(?:\.[0-9]{1,60})?)" + _END)
_EQUATION = re.compile(
    r"([0-9][0-9 .,+*/()-]*?|\([0-9 .,+*/()-]*?)\s*=\s*(-?[0-9][0-9,]{0,60}(?:\.[0-9]{1,60})?)" + _END
)
_COMMUTES = re.compile(r"(\d+)([+*])(\d+)")


def extract_answer(text: str) -> str | None:
    """The number after the first ``####``, without commas, or None where there is no clear one."""
    start = text.find(MARK)
    found = _ANSWER.match(text, start) if start >= 0 else None
    return None if found is None else found[1].replace(",", "")


def check(problem: Problem, text: str) -> bool:
    """Whether `text` ends in the right answer, compared as a number ("42.0" is 42)."""
    answer = extract_answer(text)
    return answer is not None and Fraction(answer) == Fraction(problem.answer)


def step_labels(problem: Problem, text: str) -> list[bool]:
    """One label per line of `text` (a trailing line break opens no line): right so far, or not.

    Exactly one equation per line counts, so a line that hedges with two is wrong. Sums and products
    may be written either way round. The line after the last step must be the answer line.
    """
    labels: list[bool] = []
    right = True
    for index, line in enumerate(text.removesuffix("\n").split("\n") if text else []):
        right = right and _is_next(problem, index, line)
        labels.append(right)
    return labels


def _is_next(problem: Problem, index: int, line: str) -> bool:
    if index < len(problem.steps):
        return MARK not in line and _states(line, problem.steps[index])
    return index == len(problem.steps) and line.startswith(MARK) and check(problem, line)


def _states(line: str, step: Step) -> bool:
    found = _EQUATION.findall(line)
    if len(found) != 1 or line.count("=") != 1:
        return False
    expression, result = (part.replace(" ", "").replace(",", "") for part in found[0])
    allowed = {step.expression.replace(" ", "")}
    if swap := _COMMUTES.fullmatch(next(iter(allowed))):
        allowed.add(swap[3] + swap[2] + swap[1])
    return expression in allowed and Fraction(result) == Fraction(step.result)
