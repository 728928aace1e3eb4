"""Pairs of solutions of one problem, a right one and a wrong one, as the target wrote them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import TypeVar

from ramify.train.labels import Labelled

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two solutions of the same problem: the answer of `right` is right, that of `wrong` is not."""

    right: Labelled
    wrong: Labelled


def pairs_of(samples: Sequence[Labelled]) -> list[Pair]:
    """Every right sample of a problem with every wrong one, equal texts counted once.

    The samples of one problem stand side by side, as `read_samples` gives them.
    """
    pairs = []
    for _, group in groupby(samples, lambda sample: sample.prompt):
        distinct = {tuple(sample.solution): sample for sample in group}.values()
        wrong = [sample for sample in distinct if not sample.outcome]
        pairs += [Pair(right, other) for right in distinct if right.outcome for other in wrong]
    return pairs


def epoch_batch(items: Sequence[Item], batch: int, step: int, seed: int) -> list[Item]:
    """What step number `step` reads: the next `batch` items of an order that is shuffled anew every epoch.

    ValueError when there are fewer items than that.
    """
    if len(items) < batch:
        raise ValueError(f"a batch of {batch} needs as many items, there are {len(items)}")
    epoch, place = divmod(step, len(items) // batch)
    order = list(range(len(items)))
    Random(f"epoch/{seed}/{epoch}").shuffle(order)
    return [items[i] for i in order[place * batch : (place + 1) * batch]]
