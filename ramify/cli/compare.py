"""`ramify compare`: methods side by side at equal compute."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ramify.api import load
from ramify.api import problems as held_out
from ramify.cli import options
from ramify.cli.comparing import Bench, Trial
from ramify.cli.document import Row, document, emit
from ramify.cli.plot import save as plot_curves
from ramify.cli.terminal import err, out, progress
from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.registry import lookup
from ramify.core.strict import finite, whole
from ramify.harness import quantities
from ramify.harness.interval import Interval

METHODS = "greedy,majority-vote,best-of-n,speculative-rejection"
PLOT = Path("runs/compare.png")
PAGE_SIZE = 8  # answers of the built-in model are short: smaller pages measure the room more finely


def compare(
    methods: Annotated[str, typer.Option(help="Names from `ramify methods`, with commas between.")] = METHODS,
    budget: Annotated[float, typer.Option(help="Compute a problem, in plain samples: what so many of them cost.")] = 16,
    problems: Annotated[int, typer.Option(help="How many problems.")] = 100,
    seeds: Annotated[int, typer.Option(help="Runs of every problem, each with a seed of its own.")] = 1,
    task: Annotated[
        str, typer.Option(help="builtin or builtin-hard (held-out problems), or a file in GSM8K's format.")
    ] = "builtin",
    reward: options.Reward = None,
    temperature: Annotated[float | None, typer.Option(help="Of all methods but greedy.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens of one candidate.")] = None,
    room: Annotated[float, typer.Option(help="Pages for methods that fill them: this share of n answers.")] = 0.3,
    plot: Annotated[Path, typer.Option(help="Where the picture goes.")] = PLOT,
    seed: options.FixedSeed = 0,
    model: options.Model = "builtin",
    mode: options.Mode = "fast",
    dtype: options.Dtype = "auto",
    device: options.Device = "auto",
    kv_gib: options.KvGib = 0.5,
    as_json: options.AsJson = False,
) -> None:
    """Compare methods at equal compute, on problems with known answers.

    Compute is FLOPs of all models, prompt and reward included. A method
    climbs from one candidate to the budget, and how many candidates that is
    is measured, not assumed. Intervals are 95%, over problems.

    Examples:
      ramify compare
      ramify compare --methods greedy,best-of-n --budget 32 --seeds 3
      ramify compare -m path/to/model --task test.jsonl --reward logprob
    """
    finite("budget", budget, 1.0, 1e6)
    whole("problems", problems, 1, 1_000_000)
    whole("seeds", seeds, 1, 1000)
    finite("room", room, 0.01, 1.0)
    chosen: list[Method] = [lookup("method", name.strip()) for name in methods.split(",")]
    judge = options.default_reward(reward, model)
    if judge is None and any(method.uses_reward for method in chosen):
        raise BadInput("reward", "a method ranks by one; give --reward logprob, or a folder with a value head")
    bench = Bench(
        lm=load(model, mode=mode, dtype=dtype, device=device, kv_gib=kv_gib, page_size=PAGE_SIZE),
        problems=held_out(problems, seed, task),
        seeds=range(seed, seed + seeds),
        reward=judge,
        sampling=options.given(temperature=temperature, max_tokens=max_tokens),
        room=room,
        watch=progress,
    )
    if not bench.problems:
        raise BadInput("task", f"{task} has no problems")
    if judge is not None:
        bench.lm.reward(judge)  # a wrong name should not cost a measurement
    bench.calibrate()
    points = {method.name: bench.climb(method, budget) for method in chosen}
    picture = save_plot(points, f"{model}, {len(bench.problems)} problems, reward {judge}", plot)
    if as_json:
        emit(compare_document(points, bench, budget, picture))
    else:
        render(points, bench, budget, picture)


def render(points: Mapping[str, Sequence[Trial]], bench: Bench, budget: float, picture: Path | None) -> None:
    """Two tables: what was solved, and the whole ledger."""
    console = out()
    target = budget * bench.sample_cost
    table = Table(box=None, padding=(0, 2, 0, 0))
    first = next(iter(points.values()))[-1]
    for heading in ("method", "n", "solved, 95%", f"against {first.method}", "compute"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for trials in points.values():
        last = trials[-1]
        gain = "–" if last is first else _signed(last.gain(first))
        size = "–" if last.n is None else str(last.n)
        table.add_row(last.method, size, _percent(last.accuracy), gain, f"{last.cost / target:.2f}")
    runs = f"{len(bench.problems)} problems, {len(bench.seeds)} {'seeds' if len(bench.seeds) > 1 else 'seed'}"
    reward = f", reward {bench.reward}" if bench.reward else ""
    console.print(f"[bold]{runs}, {quantities.flops(target)} a problem ({budget:g} samples){reward}[/]\n")
    console.print(table)
    console.print("\n[bold]The ledger[/], a problem\n")
    console.print(ledger_table([trials[-1] for trials in points.values()], bench.reward))
    if picture is not None:
        console.print(f"\nQuality against compute: {picture}", soft_wrap=True)


def ledger_table(trials: Sequence[Trial], reward: str | None) -> Table:
    """Ledger columns downwards, methods across."""
    columns = {trial.method: trial.columns() for trial in trials}
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in columns:
        table.add_column("\n".join(wrap(name, 13)), justify="right", min_width=9)
    for entry in dict.fromkeys(entry for row in columns.values() for entry in row):
        label = entry.replace(reward, "reward") if reward else entry
        table.add_row(label, *(_amount(entry, row.get(entry)) for row in columns.values()))
    return table


def compare_document(
    points: Mapping[str, Sequence[Trial]], bench: Bench, budget: float, picture: Path | None
) -> dict[str, Any]:
    """One row a method, with the whole ledger; the curves beside them."""
    first = next(iter(points.values()))[-1]
    rows = [_row(trials[-1], first, budget * bench.sample_cost) for trials in points.values()]
    curves = {name: [_point(trial) for trial in trials] for name, trials in points.items()}
    setting = {"problems": len(bench.problems), "seeds": len(bench.seeds), "reward": bench.reward}
    cost = {"budget_samples": budget, "budget_flops": budget * bench.sample_cost}
    return document(rows, **setting, **cost, curves=curves, plot=None if picture is None else str(picture))


def _row(trial: Trial, first: Trial, target: float) -> Row:
    solved, gain = trial.accuracy, trial.gain(first)
    baseline = None if trial is first else first.method
    ratio = solved.mean / first.accuracy.mean if baseline and first.accuracy.mean else None
    more = {"low": solved.low, "high": solved.high, "n": trial.n, "compute": trial.cost / target}
    more |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high} if baseline else {}
    return Row(trial.method, solved.mean, "solved", ratio, baseline, more=more | trial.columns())


def _point(trial: Trial) -> dict[str, Any]:
    solved = trial.accuracy
    return {"n": trial.n, "flops": trial.cost, "value": solved.mean, "low": solved.low, "high": solved.high}


def save_plot(points: Mapping[str, Sequence[Trial]], title: str, path: Path) -> Path | None:
    """Draw the picture; None, and a word about it, where matplotlib is missing."""
    curves = {name: [(trial.cost, trial.accuracy) for trial in trials] for name, trials in points.items()}
    try:
        plot_curves(curves, title, path)
    except BadInput as missing:
        err().print(f"no picture: {escape(str(missing))}")
        return None
    return path


def _percent(interval: Interval) -> str:
    mean, low, high = (100 * value for value in (interval.mean, interval.low, interval.high))
    return f"{mean:.1f}% ({low:.1f} to {high:.1f})"


def _signed(interval: Interval) -> str:
    return f"{100 * interval.mean:+.1f} ± {100 * (interval.high - interval.mean):.1f}"


def _amount(entry: str, value: float | None) -> str:
    if value is None:
        return "–"
    if entry.endswith("flops"):
        return quantities.flops(value)
    if entry.endswith("bytes"):
        return quantities.size(value)
    return quantities.seconds(value) if entry == "seconds" else quantities.count(value)
