"""What steps and drafts take on this machine: medians of the last times, by size, and straight lines between sizes.

A shared machine's times have outliers of a factor of ten; a median of a few does not see them.
"""

from bisect import bisect_left, insort
from collections import deque
from statistics import median

KEPT = 5  # times of one size
EXACT = 16  # sizes up to this are told apart; larger ones lie in classes a sixth apart


def size_class(size: float) -> int:
    """The representative of sizes that count as one."""
    if size <= EXACT:
        return max(1, round(size))
    upper = float(EXACT)
    while upper * 7 / 6 < size:
        upper *= 7 / 6
    return round(upper * 13 / 12)


class Curve:
    """Seconds by size.

    Args:
        from_nothing: size 0 takes no time. Sizes below all that were seen are then hoped to be cheap, and so get tried.
    """

    def __init__(self, *, from_nothing: bool = False) -> None:
        self.from_nothing = from_nothing
        self.times: dict[int, deque[float]] = {}
        self.sizes: list[int] = []
        self._median: dict[int, float] = {}

    def note(self, size: float, seconds: float) -> None:
        """A time of this size."""
        at = size_class(size)
        if at not in self.times:
            self.times[at] = deque(maxlen=KEPT)
            insort(self.sizes, at)
        self.times[at].append(seconds)
        self._median.pop(at, None)

    def seen(self, size: float) -> int:
        """How many times of this size are kept."""
        return len(self.times.get(size_class(size), ()))

    def of(self, size: float) -> float | None:
        """Seconds of a size: its median, or on the line between its neighbours'; None before the first time.

        Beyond the largest, time goes on growing: more may not be promised without a trial.
        """
        at = size_class(size)
        if at in self.times:
            return self._at(at)
        if not self.sizes:
            return None
        place = bisect_left(self.sizes, at)
        if place == 0:
            return self._at(self.sizes[0]) * (at / self.sizes[0] if self.from_nothing else 1.0)
        if place == len(self.sizes):
            last, first = self.sizes[-1], self.sizes[0]
            if self.from_nothing:
                return self._at(last) * at / last
            rise = (self._at(last) - self._at(first)) / (last - first) if last > first else 0.0
            return self._at(last) + max(0.0, rise) * (at - last)
        low, high = self.sizes[place - 1], self.sizes[place]
        share = (at - low) / (high - low)
        return self._at(low) * (1 - share) + self._at(high) * share

    def _at(self, at: int) -> float:
        if at not in self._median:
            self._median[at] = median(self.times[at])
        return self._median[at]


class StepCost:
    """Of the target: a plain step of n branches, and what so many drafted rows add to it."""

    def __init__(self) -> None:
        self.plain = Curve()
        self.added: dict[int, Curve] = {}  # class of n -> a curve over drafted rows

    def note(self, n: int, rows: int, seconds: float) -> None:
        """A step of n branches that read `rows` rows."""
        if rows == n:
            self.plain.note(n, seconds)
        elif (plain := self.plain.of(n)) is not None:
            self.added.setdefault(_broad(n), Curve(from_nothing=True)).note(rows - n, seconds - plain)

    def of(self, n: int, rows: int) -> float | None:
        """Seconds, None before anything like it was seen."""
        plain = self.plain.of(n)
        if plain is None or rows == n:
            return plain
        if not self.added:
            return None
        curve = self.added[min(self.added, key=lambda at: abs(at - _broad(n)))]
        added = curve.of(rows - n)
        assert added is not None
        return plain + max(0.0, added)


class DraftCost:
    """Of drafting for n branches: a curve over a chain's length for every class of n."""

    def __init__(self) -> None:
        self.curves: dict[int, Curve] = {}

    def note(self, n: int, length: float, seconds: float) -> None:
        """A time."""
        self.curves.setdefault(_broad(n), Curve(from_nothing=True)).note(length, seconds / n)

    def seen(self, n: int) -> int:
        """How many times of so many branches are kept."""
        curve = self.curves.get(_broad(n))
        return 0 if curve is None else sum(len(times) for times in curve.times.values())

    def of(self, n: int, length: float) -> float:
        """Seconds; what was never tried is as the nearest number of branches, in proportion."""
        if length == 0 or not self.curves:
            return 0.0
        curve = self.curves[min(self.curves, key=lambda at: abs(at - _broad(n)))]
        seconds = curve.of(length)
        assert seconds is not None
        return seconds * n


def _broad(n: int) -> int:
    """1, 2-3, 4-7, 8-15, ...: numbers of branches that are alike."""
    return n.bit_length()
