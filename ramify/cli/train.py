"""`ramify train`: the recipes."""

import json
from pathlib import Path
from typing import Annotated

import torch
import typer

from ramify.api import train_builtin
from ramify.cli import options
from ramify.cli.document import Row, document, emit
from ramify.cli.terminal import out
from ramify.core.errors import UnknownName
from ramify.core.registry import lookup
from ramify.core.strict import whole

train = typer.Typer(help="Train models by this project's recipes.", no_args_is_help=True, rich_markup_mode="rich")


@train.callback()
def recipes() -> None:
    """Train models by this project's recipes."""


@train.command()
def builtin(
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.", show_default=False)],
    scale: Annotated[str, typer.Option(help="full (hours), or tiny (to try the recipe; no report).")] = "full",
    stages: Annotated[str | None, typer.Option(help="Only these, with commas between; all if left out.")] = None,
    work: Annotated[Path | None, typer.Option(help="Checkpoints and logs; OUT-work if left out.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", metavar="", help="Ignore earlier checkpoints.")] = False,
    threads: Annotated[int, typer.Option(help="Of the processor.")] = 1,
    seed: options.FixedSeed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Train the built-in models from nothing: target, draft, rewards, report.

    A run that was interrupted goes on where it stopped. Each stage writes
    log.jsonl into its folder under WORK.

    Examples:
      ramify train builtin /path/to/new --scale tiny
      ramify train builtin /path/to/new --stages target,draft --threads 2
    """
    known = lookup("recipe", "scales")
    if scale not in known:
        raise UnknownName("scale", scale, known)
    every = lookup("recipe", "stages")
    possible = [name for name in every if name != "report" or scale == "full"]  # a tiny model solves nothing to report
    wanted = possible if stages is None else [name.strip() for name in stages.split(",")]
    for name in wanted:
        if name not in every:
            raise UnknownName("stages", name, every)
    torch.set_num_threads(whole("threads", threads, 1, 1024))
    where = {"resume": not fresh, "work": work, "stages": wanted}
    train_builtin(out_folder, seed=seed, scale=known[scale], **where)
    report = out_folder / "REPORT.json"
    numbers = json.loads(report.read_text())["numbers"] if report.exists() else {}
    if as_json:
        done = [Row(name, 1.0, "stage done") for name in wanted]
        emit(document([*done, *(Row(name, value, "see MODEL_CARD.md") for name, value in numbers.items())], seed=seed))
        return
    for name, value in numbers.items():
        out().print(f"{name:<24} {value:.4g}")
    out().print(f"The models are in {out_folder}", soft_wrap=True)
