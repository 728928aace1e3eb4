"""Pictures, with 95% intervals: a comparison (quality against compute), and what a draft is worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ramify.api import Advice, Estimate
from ramify.core import registry
from ramify.core.errors import BadInput
from ramify.harness import quantities
from ramify.harness.interval import Interval

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
    figure, ticker = _blank(8, 5)
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
    _write(figure, path)


def save_advice(advice: Advice, title: str, path: Path) -> None:
    """Draw acceptance by position, and speed-up by length of the chain, into a PNG.

    Raises:
        BadInput: matplotlib is not installed, or the file cannot be written.
    """
    figure, _ = _blank(7.8, 3.9)
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    rules = {"standard": advice.standard or (), "the rule in use": advice.acceptance}
    for name, places, colour, marker, aside in zip(
        rules, rules.values(), COLOURS[1:], MARKERS, (0.1, -0.1), strict=False
    ):
        spans = _spans([place.chance for place in places])
        depths = [place.depth + aside for place in places]
        if places and not (name == "standard" and advice.standard == advice.acceptance):
            left.errorbar(depths, *spans, label=name, capsize=2, markersize=4, color=colour, marker=marker)
    left.set(xlabel="position in the draft", ylabel="accepted, once all before it were", ylim=(0, 1.03))
    _speed_ups(right, advice)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower right")
    _write(figure, path)


def _speed_ups(axes: Any, advice: Advice) -> None:
    chains = [each for each in advice.settings if each.setting != "auto"]
    lengths = [each.setting for each in chains]
    told = [each.predicted for each in chains]
    axes.fill_between(lengths, [t.low for t in told], [t.high for t in told], color=COLOURS[0], alpha=0.15, linewidth=0)
    axes.plot(lengths, [t.value for t in told], color=COLOURS[0], linestyle="--", label="predicted")
    spans = _spans([each.measured for each in chains])
    axes.errorbar(lengths, *spans, label="measured", capsize=2, markersize=4, color=COLOURS[3], marker="o")
    for each in advice.settings:
        if each.setting == "auto":
            gain = each.measured
            axes.axhspan(gain.low, gain.high, color=COLOURS[2], alpha=0.15, linewidth=0)
            axes.axhline(gain.value, color=COLOURS[2], label="measured, auto")
    axes.axhline(1.0, color="black", linewidth=1, linestyle=":", label="plain decoding")
    axes.set(xlabel="tokens of a drafted chain", ylabel="times as fast as plain decoding")
    axes.set_ylim(bottom=0)


def _spans(found: Sequence[Estimate]) -> tuple[list[float], tuple[list[float], list[float]]]:
    """Values, and how far their intervals reach below and above them."""
    below, above = [each.value - each.low for each in found], [each.high - each.value for each in found]
    return [each.value for each in found], (below, above)


def _blank(width: float, height: float) -> tuple[Any, Any]:
    try:
        figure = registry.lookup("plot", "figure")(figsize=(width, height), dpi=150, layout="constrained")
        registry.lookup("plot", "canvas")(figure)
        return figure, registry.lookup("plot", "ticker")
    except ImportError as error:
        raise BadInput("plot", "matplotlib is not installed; pip install 'ramify[plots]'") from error


def _write(figure: Any, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise BadInput("plot", f"{path} cannot be written: {error}") from error
