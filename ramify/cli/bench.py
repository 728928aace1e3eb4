"""`ramify bench`: the numbers that the documentation quotes, made again."""

from typing import Annotated, Any

import typer
from rich.table import Table

from ramify.api import bench as measure
from ramify.cli import options
from ramify.cli.document import document, emit
from ramify.cli.terminal import out, status
from ramify.core.errors import BadInput
from ramify.core.registry import lookup, names
from ramify.core.strict import keyword_options


def bench(
    name: Annotated[str, typer.Argument(help="One of them, or all.", show_default=True)] = "all",
    model: Annotated[str | None, typer.Option("--model", "-m", help="Where a bench measures a model: which.")] = None,
    seed: options.FixedSeed = 0,
    soak: Annotated[
        bool, typer.Option("--soak", metavar="", help="serve: keep every promise under clients of all kinds?")
    ] = False,
    minutes: Annotated[float | None, typer.Option(help="serve --soak: how long. 10 if it is not said.")] = None,
    clients: Annotated[int | None, typer.Option(help="serve --soak: how many at once. 64 if it is not said.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure: branches, decode, driver, prefix, scaling, search, serve, speculation, speculative-rejection, or all.

    Ways are timed turn by turn, so that other work on the machine hits all of
    them. A row is ok when it reaches its bound.

    Examples:
      ramify bench branches
      ramify bench speculative-rejection --json
      ramify bench serve --soak --minutes 2
    """
    chosen = names("bench") if name == "all" else [name]
    deaf = [each for each in chosen if "model" not in keyword_options(lookup("bench", each))]
    if model is not None and deaf == chosen:
        raise BadInput("model", f"bench {name} brings its own models; leave --model out")
    soaking = options.given(soak=soak or None, minutes=minutes, clients=clients)
    if soaking and chosen != ["serve"]:
        raise BadInput(next(iter(soaking)), "it belongs to `ramify bench serve`")
    rows: list[dict[str, Any]] = []
    with status(name) as say:
        for each in chosen:
            wishes = options.given(model=None if each in deaf else model) | soaking | {"seed": seed, "progress": say}
            rows += [{"bench": each, **row} for row in measure(each, **wishes)]
    if as_json:
        emit(document(rows, seed=seed))
    else:
        render(rows)
    if soak and not all(row["ok"] for row in rows):
        raise typer.Exit(1)


def render(rows: list[dict[str, Any]]) -> None:
    """One line a number."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("bench", "number", "value", "unit", "bound", ""):
        table.add_column(heading, justify="right" if heading in ("value", "bound") else "left")
    for row in rows:
        bound = row.get("bound")
        mark = "" if bound is None else "[green]ok[/]" if row["ok"] else "[bold red]missed[/]"
        limit = "" if bound is None else f"{bound:.4g}"
        table.add_row(row["bench"], row["name"], f"{row['value']:.4g}", row["unit"], limit, mark)
    out().print(table)
