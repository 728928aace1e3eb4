"""The picture of a comparison: quality against compute, one line a method, 95% intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ramify.cli import quantities
from ramify.cli.interval import Interval
from ramify.core import registry
from ramify.core.errors import BadInput

registry.TABLES["plot"] = {  # matplotlib is an extra, and slow to load: only a picture needs it
    "figure": "matplotlib.figure:Figure",
    "canvas": "matplotlib.backends.backend_agg:FigureCanvasAgg",
    "ticker": "matplotlib:ticker",
}
COLOURS = ("#4c566a", "#0173b2", "#de8f05", "#029e73", "#cc78bc", "#ca9161", "#d55e00", "#56b4e9")
MARKERS = "osD^vPXh"


Point = tuple[float, Interval]  # FLOPs a problem of all models together, quality


def save(curves: Mapping[str, Sequence[Point]], title: str, path: Path) -> None:
    """Draw the curves into a PNG.

    Raises:
        BadInput: matplotlib is not installed, or the file cannot be written.
    """
    try:
        figure = registry.lookup("plot", "figure")(figsize=(8, 5), dpi=150, layout="constrained")
        registry.lookup("plot", "canvas")(figure)
        ticker = registry.lookup("plot", "ticker")
    except ImportError as error:
        raise BadInput("plot", "matplotlib is not installed; pip install 'ramify[plots]'") from error
    axes = figure.add_subplot()
    for place, (name, points) in enumerate(curves.items()):
        ordered = sorted(points, key=lambda point: point[0])
        means = [100 * quality.mean for _, quality in ordered]
        below = [100 * (quality.mean - quality.low) for _, quality in ordered]
        above = [100 * (quality.high - quality.mean) for _, quality in ordered]
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        flops = [cost for cost, _ in ordered]
        axes.errorbar(flops, means, (below, above), label=name, capsize=3, markersize=6, color=colour, marker=marker)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda cost, _: quantities.flops(cost)))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_xlabel("compute a problem, all models, prompt and reward included")
    axes.set_ylabel("problems solved, % (95% interval)")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", pad=28)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.3, handletextpad=0.4)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise BadInput("plot", f"{path} cannot be written: {error}") from error
