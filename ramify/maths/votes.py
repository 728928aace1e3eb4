"""Votes: who wins, and how many everybody has.

Answers are anything hashable; None is no vote. Ties go to the answer that was seen first.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

from ramify.core.errors import BadInput


def votes(answers: Sequence[Hashable]) -> Counter[Hashable]:
    """Votes of each answer, in the order of first sight."""
    return Counter(answer for answer in answers if answer is not None)


def plurality(answers: Sequence[Hashable]) -> int:
    """The place of the first candidate that gives the most frequent answer; 0 where nobody has one.

    Raises:
        BadInput: there is no candidate.
    """
    if not answers:
        raise BadInput("answers", "nobody votes: at least 1 candidate is needed")
    count = votes(answers)
    return answers.index(max(count, key=count.__getitem__)) if count else 0  # a Counter keeps the order of first sight
