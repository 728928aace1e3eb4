"""Plurality of answers: the first candidate that gives the most frequent answer.

Wang et al., arXiv:2203.11171. Ties go to the answer that was seen first; candidates without an answer do not vote;
if none has one, the first candidate is chosen.
"""

from collections.abc import Sequence

from ramify.core.types import Ended
from ramify.maths.votes import plurality


def select(ended: Sequence[Ended]) -> Ended:
    """The first candidate with the winning answer."""
    return ended[plurality([e.answer for e in ended])]
