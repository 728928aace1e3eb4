"""How much two sequences have in common, by the n-grams they share: a similarity that needs no model.

Dice, "Measures of the amount of ecologic association between species", 1945.

    A, B   the different n-grams of two sequences, for n = 1 .. N      D_n = 2 |A & B| / (|A| + |B|)

The overlap is the mean of D_n over those n that either sequence has n-grams of: 1 for equal sequences (two empty ones
too), 0 where nothing is shared. Different n-grams count once, so that a token which stands elsewhere too can be missed.
"""

from collections import Counter
from collections.abc import Hashable, Sequence

from ramify.core.errors import UnknownName
from ramify.core.strict import whole
from ramify.maths.checks import same_length

KINDS = ("answer", "token", "character")


def overlap(a: Sequence[Hashable], b: Sequence[Hashable], order: int = 2) -> float:
    """Mean Dice coefficient of the n-grams for n = 1 .. order, in [0, 1]; symmetric.

    Raises:
        BadInput: order is not 1 to 64.
    """
    whole("order", order, 1, 64)
    found = []
    for n in range(1, order + 1):
        A, B = _ngrams(a, n), _ngrams(b, n)
        if A or B:
            found.append(2.0 * len(A & B) / (len(A) + len(B)))
    return sum(found) / len(found) if found else 1.0


def similarities(
    kind: str,
    answers: Sequence[Hashable],
    tokens: Sequence[Sequence[int]],
    texts: Sequence[str],
    order: int = 2,
) -> list[list[float]]:
    """A row of K similarities for each of K candidates.

    answer     1 where both answer, and the same; 0 elsewhere, also between a candidate without an answer and itself
    token      overlap of the tokens
    character  overlap of the texts' characters

    Raises:
        UnknownName: no such kind. BadInput: lists of unequal lengths, or an order out of range.
    """
    if kind not in KINDS:
        raise UnknownName("similarity", kind, KINDS)
    same_length("tokens", tokens, len(answers))
    same_length("texts", texts, len(answers))
    if kind == "answer":
        return [[float(a is not None and a == b) for b in answers] for a in answers]
    of: Sequence[Sequence[Hashable]] = tokens if kind == "token" else texts
    return [[overlap(a, b, order) for b in of] for a in of]


def without_each(tokens: Sequence[int], order: int = 2) -> list[float]:
    """The overlap of a sequence with itself less one token, for each of its tokens.

    Only the n-grams around a token change, so all of them take O(length * order^2).
    """
    whole("order", order, 1, 64)
    found: list[list[float]] = [[] for _ in tokens]
    for n in range(1, min(order, len(tokens)) + 1):
        count = Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
        for i in range(len(tokens)):
            found[i].append(_dice_without(tokens, count, i, n))
    return [sum(values) / len(values) for values in found]


def _dice_without(tokens: Sequence[int], count: Counter[tuple[int, ...]], i: int, n: int) -> float:
    first, last = max(0, i - n + 1), len(tokens) - n
    touched = Counter(tuple(tokens[s : s + n]) for s in range(first, min(i, last) + 1))
    gone = {gram for gram, times in touched.items() if times == count[gram]}
    closed = {(*tokens[s:i], *tokens[i + 1 : s + n + 1]) for s in range(first, min(i, last))}  # over the gap
    shared = len(count) - len(gone - closed)
    added = len(closed - count.keys())
    return 2.0 * shared / (len(count) + shared + added)


def _ngrams(sequence: Sequence[Hashable], n: int) -> set[tuple[Hashable, ...]]:
    return {tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1)}
