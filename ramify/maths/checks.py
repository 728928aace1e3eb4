"""What the list-in, list-out functions refuse at the door."""

import math
import sys
from collections.abc import Sequence

from ramify.core.errors import BadInput

HUGE = sys.float_info.max


def numbers(
    field: str, values: Sequence[float], *, least: int = 1, low: float = -HUGE, high: float = HUGE
) -> list[float]:
    """`values` as plain floats. Infinities pass only where `low` or `high` is one.

    Raises:
        BadInput: fewer than `least` values, a NaN, or a value outside [low, high].
    """
    found = [float(value) for value in values]
    if len(found) < least:
        raise BadInput(field, f"{len(found)} given, at least {least} needed")
    for place, value in enumerate(found):
        if math.isnan(value):
            raise BadInput(field, f"number {place} is NaN")
        if not low <= value <= high:
            raise BadInput(field, f"number {place} is {value:g}, outside [{low:g}, {high:g}]")
    return found


def table(
    field: str, rows: Sequence[Sequence[float]], *, least: int = 1, low: float = -HUGE, high: float = HUGE
) -> list[list[float]]:
    """Rows of equal length, each checked like `numbers`.

    Raises:
        BadInput: no row, rows of unequal lengths, or what `numbers` refuses.
    """
    found = [numbers(f"{field}, row {place}", row, least=least, low=low, high=high) for place, row in enumerate(rows)]
    if not found:
        raise BadInput(field, "no row given, at least 1 needed")
    for place, row in enumerate(found):
        if len(row) != len(found[0]):
            raise BadInput(field, f"row {place} has {len(row)} numbers, row 0 has {len(found[0])}")
    return found


def same_length(field: str, values: Sequence[object], length: int) -> None:
    """One value for each of `length` things.

    Raises:
        BadInput: `values` is not `length` long.
    """
    if len(values) != length:
        raise BadInput(field, f"{len(values)} given, {length} needed")


def distribution(field: str, values: Sequence[float]) -> list[float]:
    """Probabilities: nonnegative, summing to one within 1e-6, then divided by their sum.

    Raises:
        BadInput: they are not.
    """
    found = numbers(field, values, low=0.0)
    total = math.fsum(found)
    if abs(total - 1.0) > 1e-6:
        raise BadInput(field, f"probabilities sum to {total:.9g}, not to 1; divide them by their sum")
    return [value / total for value in found]


def log_sum_exp(values: Sequence[float]) -> float:
    """log sum exp without overflow; -inf where every value is."""
    top = max(values)
    if math.isinf(top):
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
