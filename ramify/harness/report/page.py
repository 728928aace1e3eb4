"""The page: what stands in the tables of a run's folder, as one HTML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ramify.harness.report import sections, trees
from ramify.harness.report.chart import AXES, draw
from ramify.harness.report.markup import FORMATS, number, rows_query, visible
from ramify.harness.spec import read_specs
from ramify.harness.table import comparison_of
from ramify.harness.trial import Row

HERE = Path(__file__).parent


def render(run: Mapping[str, Any], rows: Sequence[Row], tree_rows: Sequence[Row], problems: Sequence[Row]) -> str:
    """The report of a run: `run` is run.json, the others are rows.csv, trees.csv and problems.csv."""
    settings = run["settings"]
    specs = read_specs(",".join(settings["methods"]))
    comparison = comparison_of(rows, specs, [float(budget) for budget in settings["budgets"]])
    lines, budgets = sections.lines_of(comparison), list(comparison.budgets)
    marks = {axis.key: [(comparison.target(b), f"{b:g} samples") for b in budgets] for axis in AXES[:1]}
    charts = {
        axis.key: [draw(lines, axis, marks.get(axis.key, ()), wide=wide) for wide in (True, False)] for axis in AXES
    }
    targets = {b: number(comparison.target(b), "flops", "target", comparison.sample, budget=b) for b in budgets}
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, finalize=_plain, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"score": FORMATS["score"], "shortened": trees.shortened, "query": rows_query}
    return environment.get_template("page.html.jinja").render(
        run=run,
        settings=settings,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        axes=AXES,
        lines=lines,
        charts=charts,
        budgets=budgets,
        targets=targets,
        results={b: sections.results(comparison, b) for b in budgets},
        bests={b: sections.best_at(comparison, b) for b in budgets},
        fronts=sections.fronts(comparison),
        points=sections.points(comparison),
        bars=sections.bars(comparison, max(budgets)),
        roles=sections.roles_of(comparison),
        duels=sections.duels(comparison, max(budgets)),
        coverages=sections.coverages(comparison),
        examples=trees.examples(comparison, specs, tree_rows, problems),
    )


def _plain(value: object) -> object:
    """Nothing that cannot be seen gets into the page."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
