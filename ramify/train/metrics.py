"""Numbers that judge scores: the area under the ROC curve, and choosing by score or by vote."""

from collections import Counter
from collections.abc import Sequence

from ramify.tasks import extract_answer


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The chance that a right item scores above a wrong one, ties counted half (Mann-Whitney).

    ValueError when all labels are equal: there is nothing to tell apart.
    """
    num_right = sum(labels)
    num_wrong = len(labels) - num_right
    if not num_right or not num_wrong:
        raise ValueError(f"AUC needs both labels, got {num_right} right and {num_wrong} wrong")
    rank_sum, below = 0.0, 0
    counts = Counter(scores)
    right = Counter(score for score, label in zip(scores, labels, strict=True) if label)
    for score in sorted(counts):
        rank_sum += right[score] * (below + (counts[score] + 1) / 2)
        below += counts[score]
    return (rank_sum - num_right * (num_right + 1) / 2) / (num_right * num_wrong)


def best(scores: Sequence[float], right: Sequence[bool]) -> bool:
    """Whether the candidate of the highest score is right; the first of equals is taken."""
    return right[max(range(len(scores)), key=scores.__getitem__)]


def vote(texts: Sequence[str], right: Sequence[bool]) -> bool:
    """Whether the most frequent final answer is right (self-consistency, arXiv:2203.11171)."""
    answers = [extract_answer(text) for text in texts]
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return False
    winner = counts.most_common(1)[0][0]
    return right[answers.index(winner)]
