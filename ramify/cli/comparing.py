"""What `ramify compare` prints: tables, the document, the picture."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from rich.markup import escape
from rich.table import Table

from ramify.cli.document import Row, document
from ramify.cli.plot import save as plot_curves
from ramify.cli.terminal import err, out
from ramify.core.errors import BadInput
from ramify.harness import quantities
from ramify.harness.interval import Interval
from ramify.harness.settings import Settings
from ramify.harness.trial import Comparison, Trial


def render(comparison: Comparison, settings: Settings, picture: Path | None, report: Path | None = None) -> None:
    """Tables: what was solved at each budget, and the whole ledger at the largest."""
    console = out()
    seeds = f"{len(settings.seeds)} {'seeds' if len(settings.seeds) > 1 else 'seed'}"
    reward = f", reward {settings.reward}" if settings.reward else ""
    for budget in comparison.budgets:
        compute = f"{quantities.flops(comparison.target(budget))} a problem ({budget:g} samples)"
        console.print(f"[bold]{settings.problems} problems, {seeds}, {compute}{escape(reward)}[/]\n", soft_wrap=True)
        console.print(_solved_table(comparison, budget))
        console.print()
    console.print("[bold]The ledger[/], a problem\n")
    console.print(ledger_table([comparison.at(label) for label in comparison.trials], settings.reward))
    if picture is not None:
        console.print(f"\nQuality against compute: {picture}", soft_wrap=True)
    if report is not None:
        console.print(f"Report: {report}, tables beside it", soft_wrap=True)


def ledger_table(trials: Sequence[Trial], reward: str | None) -> Table:
    """Ledger columns downwards, methods across."""
    columns = [trial.columns() for trial in trials]
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for trial in trials:
        table.add_column("\n".join(wrap(trial.label, 13)), justify="right", min_width=9)
    for entry in dict.fromkeys(entry for row in columns for entry in row if not entry.startswith("flops_of_")):
        label = entry.replace(reward, "reward") if reward else entry
        table.add_row(label, *(_amount(entry, row.get(entry)) for row in columns))
    return table


def compare_document(
    comparison: Comparison, settings: Settings, picture: Path | None, report: Path | None = None
) -> dict[str, Any]:
    """One row a method and budget, with the whole ledger; the curves beside them."""
    rows = [_row(comparison, label, budget) for budget in comparison.budgets for label in comparison.trials]
    curves = {label: [_point(trial) for trial in trials] for label, trials in comparison.trials.items()}
    largest = max(comparison.budgets)
    setting: dict[str, Any] = {"problems": settings.problems, "seeds": len(settings.seeds), "reward": settings.reward}
    setting |= {"task": settings.task, "checked_by": settings.checked_by, "budgets": list(comparison.budgets)}
    cost = {"budget_samples": largest, "budget_flops": comparison.target(largest)}
    places = {name: None if path is None else str(path) for name, path in (("plot", picture), ("report", report))}
    return document(rows, **setting, **cost, sample_flops=comparison.sample.cost, curves=curves, **places)


def save_plot(comparison: Comparison, title: str, path: Path) -> Path | None:
    """Draw the picture; None, and a word about it, where matplotlib is missing."""
    curves = {label: [(trial.cost, trial.accuracy) for trial in trials] for label, trials in comparison.trials.items()}
    try:
        plot_curves(curves, title, path)
    except BadInput as missing:
        err().print(f"no picture: {escape(str(missing))}")
        return None
    return path


def _solved_table(comparison: Comparison, budget: float) -> Table:
    first = comparison.at(next(iter(comparison.trials)), budget)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("method", "n", "solved, 95%", f"against {first.label}", "compute"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for label in comparison.trials:
        trial = comparison.at(label, budget)
        gain = "–" if trial is first else _signed(trial.gain(first))
        size = "–" if trial.n is None else str(trial.n)
        table.add_row(label, size, _percent(trial.accuracy), gain, f"{comparison.compute(label, budget):.2f}")
    return table


def _row(comparison: Comparison, label: str, budget: float) -> Row:
    first, trial = comparison.at(next(iter(comparison.trials)), budget), comparison.at(label, budget)
    solved, gain = trial.accuracy, trial.gain(first)
    baseline = None if trial is first else first.label
    ratio = solved.mean / first.accuracy.mean if baseline and first.accuracy.mean else None
    more = {"low": solved.low, "high": solved.high, "n": trial.n, "compute": comparison.compute(label, budget)}
    more |= {"budget": budget} | trial.columns()
    more |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high} if baseline else {}
    return Row(label, solved.mean, "solved", ratio, baseline, more=more)


def _point(trial: Trial) -> dict[str, Any]:
    solved = trial.accuracy
    return {"n": trial.n, "flops": trial.cost, "value": solved.mean, "low": solved.low, "high": solved.high}


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
    return quantities.seconds(value) if entry.endswith("seconds") else quantities.count(value)
