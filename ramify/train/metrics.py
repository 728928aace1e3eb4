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


def weighted_vote(texts: Sequence[str], weights: Sequence[float], right: Sequence[bool]) -> bool:
    """Whether the final answer of the greatest summed weight is right (arXiv:2206.02336)."""
    mass: dict[str, float] = {}
    judged: dict[str, bool] = {}
    for text, weight, ok in zip(texts, weights, right, strict=True):
        answer = extract_answer(text)
        if answer is not None:
            mass[answer] = mass.get(answer, 0.0) + weight
            judged[answer] = ok
    return judged[max(mass, key=mass.__getitem__)] if mass else False


def vote(texts: Sequence[str], right: Sequence[bool]) -> bool:
    """Whether the most frequent final answer is right (self-consistency, arXiv:2203.11171)."""
    answers = [extract_answer(text) for text in texts]
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return False
    winner = counts.most_common(1)[0][0]
    return right[answers.index(winner)]
