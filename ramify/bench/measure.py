"""How things are timed here: interleaved rounds, medians, and a note of who else used the processor.

The machine may be shared, so a figure is a ratio of two ways timed turn by turn (A B A B ...), never a time by
itself. A round during which other processes used more than `FOREIGN` of a core is repeated, a few times at most.
"""

import math
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramify.bench.process import family

FOREIGN = 0.35  # cores that others may use in a round that counts
PATIENCE = 5  # repetitions in all, beyond the rounds asked for
Row = dict[str, Any]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Timing:
    """Seconds of each way, round by round, and the median share of a core that others took meanwhile.

    `returned` has what each way gave back, round by round.
    """

    seconds: Mapping[str, list[float]]
    foreign: float
    returned: Mapping[str, list[Any]]

    def median(self, way: str) -> float:
        """Median seconds of one way."""
        return statistics.median(self.seconds[way])

    def ratio(self, slow: str, fast: str) -> float:
        """Median over rounds of how many times as long `slow` took."""
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        return statistics.median(a / b for a, b in pairs)


def interleaved(
    ways: Mapping[str, Callable[[], object]],
    rounds: int = 5,
    own: Sequence[int] = (),
    progress: Progress = lambda text: None,
) -> Timing:
    """Time every way once a round, `rounds` times, after one round that warms up.

    Args:
        own: numbers of processes that work for the ways, so that what they and their own processes use is not foreign.
        progress: told of every way as its turn comes.
    """
    for name, way in ways.items():
        progress(f"warming up: {name}")
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    returned: dict[str, list[Any]] = {name: [] for name in ways}
    foreign, left = list[float](), PATIENCE
    while len(foreign) < rounds:
        taken, gave, others = _round(ways, own, under(progress, f"round {len(foreign) + 1} of {rounds}"))
        if others > FOREIGN and left > 0:
            left -= 1
            continue
        foreign.append(others)
        for name, value in taken.items():
            seconds[name].append(value)
            returned[name].append(gave[name])
    return Timing(seconds, statistics.median(foreign), returned)


def under(progress: Progress, heading: str) -> Progress:
    """What tells it under a heading."""
    return lambda text: progress(f"{heading}: {text}")


def row(name: str, value: float, unit: str, bound: float | None = None, *, most: bool = False, **more: Any) -> Row:
    """One row of a bench; `bound` is the least that is good enough (the most, if `most`)."""
    good = bound is None or (value <= bound if most else value >= bound)
    columns: Row = {
        "name": name,
        "value": value,
        "unit": unit,
        "ratio": None,
        "baseline": None,
        "bound": bound,
        "ok": good,
    }
    return columns | more


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _round(
    ways: Mapping[str, Callable[[], object]], own: Sequence[int], progress: Progress
) -> tuple[dict[str, float], dict[str, object], float]:
    taken, gave = dict[str, float](), dict[str, object]()
    (busy, ours), start = _processor(own), time.perf_counter()
    for name, way in ways.items():
        progress(name)
        begin = time.perf_counter()
        gave[name] = way()
        taken[name] = time.perf_counter() - begin
    (busy_after, ours_after), wall = _processor(own), time.perf_counter() - start
    return taken, gave, max(0.0, (busy_after - busy) - (ours_after - ours)) / wall


def _processor(own: Sequence[int]) -> tuple[float, float]:
    """Seconds that all processors were busy, and that this process and those of its own used; equal where the system
    does not say."""
    ours, ticking = sum(os.times()[:4]), os.sysconf("SC_CLK_TCK")
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        families = {each for pid in own for each in family(pid)}
        theirs = [Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13] for pid in families]
    except OSError:
        return ours, ours
    ticks = [int(field) for field in fields]
    ours += sum(int(field) for each in theirs for field in each) / ticking
    return (sum(ticks[:3]) + sum(ticks[5:8])) / ticking, ours
