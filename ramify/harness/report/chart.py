"""Quality against one cost as an SVG: a line a method, 95% whiskers, the Pareto front, names at the lines' ends.

A method with one point is drawn on as a dotted line: that is what it solves without spending more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ramify.harness.report.markup import FORMATS, Coordinate, number, rows_query, size_of, tag
from ramify.harness.report.scale import Scale, apart, costs, shares
from ramify.harness.trial import Trial, front

NUM_COLOURS = 8
GAP = 17  # between the names at the lines' ends
LETTER = 6.9  # width of a letter of a name, about
CORNERS: dict[int, list[tuple[float, float]]] = {
    1: [(-5, -5), (5, -5), (5, 5), (-5, 5)],
    2: [(0, -6.5), (6.5, 0), (0, 6.5), (-6.5, 0)],
    3: [(0, -6), (6, 5), (-6, 5)],
    4: [(0, 6), (6, -5), (-6, -5)],
    5: [(-2, -6), (2, -6), (2, -2), (6, -2), (6, 2), (2, 2), (2, 6), (-2, 6), (-2, 2), (-6, 2), (-6, -2), (-2, -2)],
    6: [(0, -6.5), (6, -2), (3.8, 5.2), (-3.8, 5.2), (-6, -2)],
    7: [(-6, 0), (5, -6), (5, 6)],
}


@dataclass(frozen=True)
class Axis:
    """A cost: the column it is the mean of, its name, and how it is written."""

    key: str
    column: str
    name: str
    as_: str
    what: str

    def of(self, trial: Trial) -> float:
        """What a trial costs, a problem."""
        return trial.mean(self.column)


AXES = (
    Axis("flops", "flops", "FLOPs", "flops", "FLOPs a problem: all models, prompt and reward included"),
    Axis("tokens", "generated_tokens", "Tokens", "count", "tokens drawn for a problem, over all branches"),
    Axis("seconds", "seconds", "Seconds", "seconds", "seconds a problem: wall time of the batch, shared equally"),
)


@dataclass(frozen=True)
class Line:
    """A method of the chart: its place among them decides colour and mark."""

    label: str
    place: int
    trials: Sequence[Trial]


@dataclass(frozen=True)
class Frame:
    """Where things are: the chart's size, and its two scales."""

    width: int
    height: int
    x: Scale
    y: Scale
    named: bool  # names at the lines' ends


def pareto(lines: Sequence[Line], axis: Axis) -> list[tuple[Line, Trial]]:
    """The trials that none beats in both cost and quality, the cheapest first."""
    all_trials = [(line, trial) for line in lines for trial in line.trials]
    return [all_trials[i] for i in front([(axis.of(trial), trial.accuracy.mean) for _, trial in all_trials])]


def draw(lines: Sequence[Line], axis: Axis, marks: Sequence[tuple[float, str]], *, wide: bool) -> Markup:
    """The chart; `marks` are costs that a vertical line stands at, with its name."""
    frame = _frame(lines, axis, [cost for cost, _ in marks], wide)
    best = pareto(lines, axis)
    parts = [_grid(frame, axis), *(_mark(frame, cost, name) for cost, name in marks), _front(frame, axis, best)]
    parts += [_line(frame, axis, line) for line in lines]
    parts += [_points(frame, axis, line, [trial for _, trial in best]) for line in lines]
    if frame.named:
        parts.append(_names(frame, axis, lines))
    about = f"Problems solved against {axis.what}; the numbers are in the table of all points"
    size = f"0 0 {frame.width} {frame.height}"
    shape = "chart wide" if wide else "chart narrow"
    return tag("svg", *parts, viewBox=size, class_=shape, role="img", aria_label=about, data_axis=axis.key)


def symbol(place: int) -> Markup:
    """A method's mark alone, for a legend."""
    mark = _shape(place, Coordinate(7), Coordinate(7), f"mark c{place % NUM_COLOURS}")
    return tag("svg", mark, viewBox="0 0 14 14", class_="symbol", aria_hidden="true")


def _frame(lines: Sequence[Line], axis: Axis, marks: Sequence[float], wide: bool) -> Frame:
    trials = [trial for line in lines for trial in line.trials]
    width = 1000 if wide else 380
    longest = max(len(line.label) for line in lines)
    right = width - (min(300, 30 + int(LETTER * longest)) if wide else 10)
    height = max(430, GAP * len(lines) + 100) if wide else 330
    x = costs([axis.of(trial) for trial in trials] + list(marks), 56 if wide else 40, right, 8 if wide else 4)
    accuracies = [trial.accuracy for trial in trials]
    y = shares([a.low for a in accuracies], [a.high for a in accuracies], height - 48, 26)
    return Frame(width, height, x, y, wide)


def _grid(frame: Frame, axis: Axis) -> Markup:
    x, y, parts = frame.x, frame.y, []
    for tick in y.ticks:
        at = y(tick)
        parts.append(tag("line", class_="grid", x1=x.start, x2=x.end, y1=at, y2=at))
        about = {"class_": "tick at-end", "x": x.start - 8, "y": Coordinate(at + 4), "data_value": tick}
        parts.append(tag("text", f"{100 * tick:.0f}%", data_axis="y", **about))
    for tick in x.ticks:
        at = x(tick)
        parts.append(tag("line", class_="grid faint", x1=at, x2=at, y1=y.start, y2=y.end))
        about = {"class_": "tick at-middle", "x": at, "y": y.start + 18, "data_value": tick}
        parts.append(tag("text", FORMATS[axis.as_](tick), data_axis="x", **about))
    middle = Coordinate((x.start + x.end) / 2)
    name = axis.what if frame.named else axis.what.partition(":")[0]
    parts.append(tag("text", name, class_="axis at-middle", x=middle, y=frame.height - 8))
    parts.append(tag("text", "problems solved", class_="axis", x=4, y=14))
    return tag("g", *parts)


def _mark(frame: Frame, cost: float, name: str) -> Markup:
    at = frame.x(cost)
    line = tag("line", class_="budget", x1=at, x2=at, y1=frame.y.start, y2=frame.y.end)
    text = tag("text", name, class_="tick at-middle", x=at, y=frame.y.end - 6, data_from="run.json")
    return tag("g", line, text)


def _front(frame: Frame, axis: Axis, best: Sequence[tuple[Line, Trial]]) -> Markup:
    path, last = [], None
    for _, trial in best:
        x, y = frame.x(axis.of(trial)), frame.y(trial.accuracy.mean)
        path.append(f"M{x:.1f} {y:.1f}" if last is None else f"H{x:.1f}V{y:.1f}")
        last = trial
    return tag("path", class_="pareto", d="".join(path) + f"H{frame.x.end:.1f}")


def _line(frame: Frame, axis: Axis, line: Line) -> Markup:
    places = [(frame.x(axis.of(trial)), frame.y(trial.accuracy.mean)) for trial in _ordered(line, axis)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    colour = f"c{line.place % NUM_COLOURS}"
    parts = [tag("polyline", class_=f"line {colour}", points=points)]
    if len(places) == 1:
        (x, y), end = places[0], Coordinate(frame.x.end)
        parts.append(tag("line", class_=f"onward {colour}", x1=x, x2=end, y1=y, y2=y))
    return tag("g", *parts)


def _points(frame: Frame, axis: Axis, line: Line, best: Sequence[Trial]) -> Markup:
    colour, parts = f"c{line.place % NUM_COLOURS}", []
    for trial in line.trials:
        cost, solved = axis.of(trial), trial.accuracy
        x, y = frame.x(cost), frame.y(solved.mean)
        whisker = tag("line", class_=f"whisker {colour}", x1=x, x2=x, y1=frame.y(solved.low), y2=frame.y(solved.high))
        ring = [tag("circle", class_="ring", cx=x, cy=y, r=9)] if trial in best else []
        size = "" if trial.n is None else f", n = {trial.n}"
        percent, bare = FORMATS["percent"], FORMATS["bare"]
        span = f"{percent(solved.mean)} ({bare(solved.low)} to {bare(solved.high)})"
        title = tag("title", f"{line.label}{size}: {span}, {FORMATS[axis.as_](cost)}")
        mark = _shape(line.place, x, y, f"mark {colour}")
        about: dict[str, object] = {
            "data_rows": rows_query(trial),
            "data_x": cost,
            "data_y": solved.mean,
            "data_as": axis.as_,
        }
        about |= {"data_stat": f"mean:{axis.column}", "data_label": line.label, "data_cx": x, "data_cy": y}
        parts.append(tag("g", title, whisker, *ring, mark, class_="point", **about))
    return tag("g", *parts)


def _names(frame: Frame, axis: Axis, lines: Sequence[Line]) -> Markup:
    ends = [_ordered(line, axis)[-1] for line in lines]
    wanted = [float(frame.y(trial.accuracy.mean)) for trial in ends]
    places, parts = apart(wanted, GAP, frame.y.end + 4, frame.y.start), []
    for line, trial, at, place in zip(lines, ends, wanted, places, strict=True):
        colour, edge = f"c{line.place % NUM_COLOURS}", frame.x.end
        start = edge if len(line.trials) == 1 else frame.x(axis.of(trial)) + 8
        way = f"M{start:.1f} {at:.1f}L{edge:.1f} {at:.1f}L{edge + 14:.1f} {place:.1f}"
        parts.append(tag("path", class_=f"leader {colour}", d=way))
        about = {"class_": f"name {colour}", "data_from": "run.json"}
        parts.append(tag("text", line.label, x=Coordinate(edge + 19), y=Coordinate(place + 4), **about))
    return tag("g", *parts)


def _ordered(line: Line, axis: Axis) -> list[Trial]:
    return sorted(line.trials, key=axis.of)


def _shape(place: int, x: Coordinate, y: Coordinate, class_: str) -> Markup:
    """Eight marks: with eight colours no two of the first sixty-four methods look alike."""
    turn = (place + place // NUM_COLOURS) % 8
    if turn == 0:
        return tag("circle", class_=class_, cx=x, cy=y, r=5)
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in CORNERS[turn])
    return tag("polygon", class_=class_, points=points)


def point_row(line: Line, trial: Trial) -> dict[str, Markup]:
    """A trial for the table of all points."""
    solved = trial.accuracy
    cells = {axis.key: number(axis.of(trial), axis.as_, f"mean:{axis.column}", trial) for axis in AXES}
    cells["solved"] = number(solved.mean, "percent", "solved.mean", trial)
    cells["low"] = number(solved.low, "bare", "solved.low", trial)
    cells["high"] = number(solved.high, "bare", "solved.high", trial)
    return cells | {"n": size_of(trial), "symbol": symbol(line.place)}
