"""From values to places on a chart: a logarithmic axis of costs, a linear one of shares, and labels that keep apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from ramify.harness.report.markup import Coordinate

STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
ROUNDING = 1e-9


@dataclass(frozen=True)
class Scale:
    """`low` to `high` stands at `start` to `end`; ticks are round values between."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def __call__(self, value: float) -> Coordinate:
        """The place of a value."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = log10(low), log10(high), log10(at)
        return Coordinate(self.start + (self.end - self.start) * (at - low) / (high - low))


def costs(values: Sequence[float], start: float, end: float, most_ticks: int) -> Scale:
    """A logarithmic scale around positive values; ticks at 1, 2 and 5 times powers of ten, thinned to what fits."""
    low, high = min(values) / 1.25, max(values) * 1.25
    if high / low < 6:
        low, high = low / 1.6, high * 1.6
    decades = range(floor(log10(low)) - 1, ceil(log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(ticks) <= most_ticks:
            break
    return Scale(low, high, start, end, tuple(ticks), True)


def shares(lows: Sequence[float], highs: Sequence[float], start: float, end: float) -> Scale:
    """A linear scale of fractions around intervals, within 0 to 1, with four to eight ticks."""
    low, high = min(lows), max(highs)
    step = next((step for step in STEPS if (high - low) / step <= 6.5), STEPS[-1])
    first, last = max(0, floor(low / step + 1e-9)), ceil(high / step - 1e-9)
    last = min(max(last, first + 1), round(1 / step))
    first = min(first, last - 1)
    ticks = tuple(round(place * step, 6) for place in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], start, end, ticks)


def apart(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The same places moved as little as need be to stand `gap` apart within low to high (as far as that has room)."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    groups: list[tuple[float, int]] = []  # middle, members: neighbours that touch move as one
    for place in order:
        groups.append((places[place], 1))
        groups[-1] = _inside(groups[-1], gap, low, high)
        while len(groups) > 1 and _end(groups[-2], gap) > _start(groups[-1], gap) + ROUNDING:
            (a, m), (b, n) = groups[-2:]
            groups[-2:] = [_inside(((a * m + b * n) / (m + n), m + n), gap, low, high)]
    at = [middle + (member - (members - 1) / 2) * gap for middle, members in groups for member in range(members)]
    moved = [0.0] * len(places)
    for place, where in zip(order, at, strict=True):
        moved[place] = where
    return moved


def _inside(group: tuple[float, int], gap: float, low: float, high: float) -> tuple[float, int]:
    middle, members = group
    reach = (members - 1) * gap / 2
    return max(low + reach, min(middle, high - reach)), members


def _start(group: tuple[float, int], gap: float) -> float:
    return group[0] - group[1] * gap / 2


def _end(group: tuple[float, int], gap: float) -> float:
    return group[0] + group[1] * gap / 2
