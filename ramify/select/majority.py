"""Plurality of answers: the first candidate that gives the most frequent answer.

Wang et al., arXiv:2203.11171. Ties go to the answer that was seen first; candidates without an answer do not vote;
if none has one, the first candidate is chosen.
"""

from collections import Counter
from collections.abc import Sequence

from ramify.core.types import Ended


def select(ended: Sequence[Ended]) -> Ended:
    """The first candidate with the winning answer."""
    votes = Counter(e.answer for e in ended if e.answer is not None)
    if not votes:
        return ended[0]
    winner = max(votes, key=votes.__getitem__)  # a Counter keeps the order of first sight
    return next(e for e in ended if e.answer == winner)
