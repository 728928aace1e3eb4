"""`ramify train`: the recipes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from rich.table import Table

from ramify.api import train_builtin
from ramify.api.sources import folder_of
from ramify.cli import options
from ramify.cli.document import Row, document, emit
from ramify.cli.terminal import err, out
from ramify.core.errors import UnknownName
from ramify.core.registry import lookup
from ramify.core.strict import whole

Objective = Literal["kl", "tvd", "tvd++", "medusa", "medusa-joint"]

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


@train.command()
def draft(
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.", show_default=False)],
    target: Annotated[str, typer.Option(help="Whom to draft for: builtin, a folder, or a hub name.")] = "builtin",
    objective: Annotated[Objective, typer.Option(help="What is made small; the last two train heads.")] = "kl",
    start: Annotated[str, typer.Option("--from", help="A draft (or heads) to go on from, or scratch.")] = "scratch",
    steps: Annotated[int, typer.Option(help="How long to train.")] = 1000,
    batch: Annotated[int | None, typer.Option(help="Texts of a step; those of --scale if left out.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Of a text; those of --scale if left out.")] = None,
    data: Annotated[Path | None, typer.Option(help='Prompts, a line each: {"prompt": ...}. Else problems.')] = None,
    heads: Annotated[int | None, typer.Option(help="How many fresh Medusa heads; 3 if left out.")] = None,
    rate: Annotated[float | None, typer.Option(help="Peak learning rate; the recipe's own if left out.")] = None,
    scale: Annotated[str, typer.Option(help="full (48 texts a step), or tiny (to try it).")] = "full",
    work: Annotated[Path | None, typer.Option(help="Checkpoint and log; OUT-work if left out.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", metavar="", help="Ignore an earlier checkpoint.")] = False,
    threads: Annotated[int, typer.Option(help="Of the processor.")] = 1,
    seed: options.FixedSeed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Train a draft model, or Medusa heads, on texts the target writes.

    Reports block efficiency as it trains: the expected tokens of one target
    pass, by a chain of 6 drafted tokens (or one of each head), on prompts that
    are held out. A run that was interrupted goes on where it stopped.

    Examples:
      ramify train draft /path/to/new --steps 1500
      ramify train draft /path/to/new --from builtin-draft --objective tvd++
      ramify train draft /path/to/new --objective medusa --heads 3
    """
    known = lookup("recipe", "draft-scales")
    if scale not in known:
        raise UnknownName("scale", scale, known)
    torch.set_num_threads(whole("threads", threads, 1, 1024))
    origin = None if start == "scratch" else folder_of(start)
    size = replace(known[scale], **options.given(batch=batch, limit=max_tokens))
    what = {"objective": objective, "steps": steps, "rate": rate, "num_heads": heads, "data": data, "seed": seed}
    run = lookup("recipe", "draft-run")(target=folder_of(target), base=target, start=origin, scale=size, **what)
    before, after = lookup("recipe", "draft")(out_folder, run, work=work, resume=not fresh, watch=_say)
    rows = [
        _efficiency_row("temperature 1", before.sampled, after.sampled),
        _efficiency_row("temperature 0", before.greedy, after.greedy),
    ]
    if as_json:
        emit(document(rows, seed=seed, objective=objective, steps=steps))
        return
    out().print(_efficiency_table(rows, f"{objective}, {steps} steps: block efficiency, tokens per target pass"))
    out().print(f"The {'heads are' if 'medusa' in objective else 'draft is'} in {out_folder}", soft_wrap=True)


@train.command()
def tuned(
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.", show_default=False)],
    target: Annotated[str, typer.Option(help="What is tuned: builtin, or a folder of its family.")] = "builtin",
    steps: Annotated[int, typer.Option(help="How long to train.")] = 800,
    words: Annotated[int, typer.Option(help="How long to train the questions' new words before.")] = 60,
    beta: Annotated[float, typer.Option(help="Scale of DPO's reward; the greater, the closer to the target.")] = 0.2,
    judging: Annotated[float, typer.Option(help="Weight of the judging questions; 0 for none.")] = 1.0,
    anchor: Annotated[float, typer.Option(help="Weight of the right solutions' cross entropy.")] = 4.0,
    batch: Annotated[int | None, typer.Option(help="Pairs of a step; those of --scale if left out.")] = None,
    rate: Annotated[float | None, typer.Option(help="Peak learning rate; the recipe's own if left out.")] = None,
    scale: Annotated[str, typer.Option(help="full, or tiny (to try it).")] = "full",
    work: Annotated[Path | None, typer.Option(help="Samples, checkpoint and log; OUT-work if left out.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", metavar="", help="Ignore an earlier checkpoint.")] = False,
    threads: Annotated[int, typer.Option(help="Of the processor.")] = 1,
    seed: options.FixedSeed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Tune the target by DPO on its own solutions, and teach it to judge them.

    Pairs of a right and a wrong solution are drawn from the target, or read
    from WORK/samples.jsonl, which `ramify train builtin` leaves behind. A run
    that was interrupted goes on where it stopped.

    Examples:
      ramify train tuned /path/to/new --work /path/to/builtin-work
      ramify train tuned /path/to/new --beta 0.1 --judging 0 --anchor 0
    """
    own = options.given(words=words, beta=beta, judging=judging, anchor=anchor, rate=rate)
    _prefer("tuned", out_folder, target, steps, scale, batch, own, work, fresh, threads, seed, as_json)


@train.command()
def arm(
    out_folder: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.", show_default=False)],
    target: Annotated[str, typer.Option(help="What it will guide: builtin, or a folder of its family.")] = "builtin",
    steps: Annotated[int, typer.Option(help="How long to train on pairs.")] = 1000,
    start_steps: Annotated[int, typer.Option(help="How long to train on problems before.")] = 250,
    layers: Annotated[int, typer.Option(help="Of the target's blocks to keep, from below.")] = 3,
    beta: Annotated[float, typer.Option(help="Scale of the reward in the preference loss.")] = 0.3,
    anchor: Annotated[float, typer.Option(help="Weight of the right solutions' cross entropy.")] = 1.0,
    batch: Annotated[int | None, typer.Option(help="Pairs of a step; those of --scale if left out.")] = None,
    rate: Annotated[float | None, typer.Option(help="Peak learning rate; the recipe's own if left out.")] = None,
    scale: Annotated[str, typer.Option(help="full, or tiny (to try it).")] = "full",
    work: Annotated[Path | None, typer.Option(help="Samples, checkpoints and logs; OUT-work if left out.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", metavar="", help="Ignore earlier checkpoints.")] = False,
    threads: Annotated[int, typer.Option(help="Of the processor.")] = 1,
    seed: options.FixedSeed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Train an autoregressive reward model, which guides the target by tokens.

    Its log-probabilities are the reward, learnt from the same pairs as
    `ramify train tuned`; give both the same WORK and they are drawn once.

    Examples:
      ramify train arm /path/to/new --work /path/to/builtin-work
      ramify train arm /path/to/new --layers 2 --beta 0.5
    """
    own = options.given(layers=layers, start_steps=start_steps, beta=beta, anchor=anchor, rate=rate)
    _prefer("arm", out_folder, target, steps, scale, batch, own, work, fresh, threads, seed, as_json)


def _prefer(
    name: str,
    out_folder: Path,
    target: str,
    steps: int,
    scale: str,
    batch: int | None,
    own: dict[str, Any],
    work: Path | None,
    fresh: bool,
    threads: int,
    seed: int,
    as_json: bool,
) -> None:
    """One of the two recipes that learn from pairs; `own` are the options that it alone has."""
    known = lookup("recipe", "preference-scales")
    if scale not in known:
        raise UnknownName("scale", scale, known)
    torch.set_num_threads(whole("threads", threads, 1, 1024))
    size = replace(known[scale], **options.given(batch=batch))
    run = lookup("recipe", f"{name}-run")(target=folder_of(target), steps=steps, scale=size, seed=seed, **own)
    numbers = lookup("recipe", name)(out_folder, run, work=work, resume=not fresh, watch=_say_numbers)
    if as_json:
        emit(document([Row(key, value, "on held-out problems") for key, value in numbers.items()], seed=seed))
        return
    for key, value in numbers.items():
        out().print(f"{key:<24} {value:.4g}")
    out().print(f"The model is in {out_folder}", soft_wrap=True)


def _say_numbers(numbers: dict[str, float]) -> None:
    err().print(", ".join(f"{name} {value:.3f}" for name, value in numbers.items()), soft_wrap=True)


def _say(step: int, seen: Any) -> None:
    sampled, greedy = (f"{part.mean:.3f} ± {part.error:.3f}" for part in (seen.sampled, seen.greedy))
    err().print(f"step {step}: {sampled} tokens per target pass at temperature 1, {greedy} at 0")


def _efficiency_row(name: str, before: Any, after: Any) -> Row:
    gain, gain_error = after.gain_over(before)
    more = {
        "error": after.error,
        "before": before.mean,
        "before_error": before.error,
        "gain": gain,
        "gain_error": gain_error,
        "acceptance": after.acceptance,
    }
    return Row(name, after.mean, "tokens per target pass", after.mean / before.mean, "before", more=more)


def _efficiency_table(rows: list[Row], title: str) -> Table:
    """One row a temperature; acceptance at each place of the chain, once all before it were accepted."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in ("", "before", "after", "gain", "acceptance by place"):
        table.add_column(column)
    for row in rows:
        more = row.more
        pairs = (("before", "before_error"), ("gain", "gain_error"))
        before, gain = (f"{more[value]:.3f} ± {more[error]:.3f}" for value, error in pairs)
        places = " ".join(f"{chance:.2f}" for chance in more["acceptance"])
        table.add_row(row.name, before, f"{row.value:.3f} ± {more['error']:.3f}", gain, places)
    return table
