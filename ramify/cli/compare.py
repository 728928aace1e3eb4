"""`ramify compare`: methods side by side at equal compute."""

from pathlib import Path
from typing import Annotated

import typer

from ramify.api import LM, load
from ramify.cli import options
from ramify.cli.comparing import compare_document, render, save_plot
from ramify.cli.document import emit
from ramify.cli.terminal import err, progress
from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole
from ramify.harness.cells import Bench
from ramify.harness.folder import Folder
from ramify.harness.settings import Settings, settings_of
from ramify.harness.spec import Spec, read_specs
from ramify.harness.tasks import Task, open_task

METHODS = "greedy,majority-vote,best-of-n,speculative-rejection"
PLOT = Path("runs/compare.png")
PAGE_SIZE = 8  # answers of the built-in model are short: smaller pages measure the room more finely


def compare(
    methods: Annotated[
        str, typer.Option(help="Names from `ramify methods`, with commas between; options in brackets, see below.")
    ] = METHODS,
    budget: Annotated[
        str, typer.Option(help="Compute a problem, in plain samples: what so many of them cost. Several with commas.")
    ] = "16",
    problems: Annotated[int, typer.Option(help="How many problems.")] = 100,
    seeds: Annotated[int, typer.Option(help="Runs of every problem, each with a seed of its own.")] = 1,
    task: Annotated[
        str, typer.Option(help="builtin or builtin-hard (held-out problems), a file in GSM8K's format, or your JSONL.")
    ] = "builtin",
    checker: Annotated[
        str | None, typer.Option(help="Of your JSONL: module:function or file.py:function of (record, text).")
    ] = None,
    reward: options.Reward = None,
    temperature: Annotated[float | None, typer.Option(help="Of all methods but greedy.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens of one candidate.")] = None,
    room: Annotated[float, typer.Option(help="Pages for methods that fill them: this share of n answers.")] = 0.3,
    out: Annotated[
        Path | None, typer.Option(help="A folder for tables and an HTML report. An interrupted run goes on from it.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Where the picture goes; compare.png in --out, or in runs.", show_default=False)
    ] = None,
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
    climbs from one candidate to each budget, and how many candidates that is
    is measured, not assumed. Intervals are 95%, over problems.

    A method may have options: best-of-n(select=weighted-majority, n=8). One
    whose n is set does not climb. A line of your JSONL is {"prompt": ...,
    "answer": ...}, or whatever your checker reads beside the prompt.

    Examples:
      ramify compare
      ramify compare --methods greedy,best-of-n --budget 32 --seeds 3
      ramify compare --budget 4,8,16,32 --seeds 5 --out runs/mine
      ramify compare -m path/to/model --task test.jsonl --reward logprob
      ramify compare --task mine.jsonl --checker mine.py:is_right
    """
    budgets = read_budgets(budget)
    whole("problems", problems, 1, 1_000_000)
    whole("seeds", seeds, 1, 1000)
    finite("room", room, 0.01, 1.0)
    specs = read_specs(methods)
    problem_set = open_task(task, problems, seed, checker)
    judge = options.default_reward(reward, model)
    _need_reward(specs, judge)
    lm = load(model, mode=mode, dtype=dtype, device=device, kv_gib=kv_gib, page_size=PAGE_SIZE)
    wishes = {"checker": checker, "reward": judge, "temperature": temperature, "max_tokens": max_tokens, "room": room}
    wishes |= {"model": model, "mode": mode, "dtype": dtype, "device": device, "kv_gib": kv_gib}
    settings = settings_of(specs, problem_set, lm.folder, budgets, seed, seeds, **wishes)
    _compare(lm, specs, problem_set, settings, out, plot, as_json)


def read_budgets(text: str) -> tuple[float, ...]:
    """Budgets with commas between, the smallest first.

    Raises:
        BadInput: one is no number, out of range, or given twice.
    """
    try:
        budgets = [finite("budget", float(part), 1.0, 1e6) for part in text.split(",")]
    except ValueError as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput("budget", f"{text!r} is no list of numbers, as in 4,8,16") from error
    if len(set(budgets)) < len(budgets):
        raise BadInput("budget", f"{text} names one budget twice")
    return tuple(sorted(budgets))


def _need_reward(specs: list[Spec], judge: str | None) -> None:
    for spec in specs:
        if judge is None and spec.method.uses_reward and "reward" not in dict(spec.options):
            raise BadInput("reward", f"{spec.name} ranks by one; give --reward logprob, or a folder with a value head")


def _compare(
    lm: LM, specs: list[Spec], task: Task, settings: Settings, out: Path | None, plot: Path | None, as_json: bool
) -> None:
    bench = Bench(lm, task, settings.seeds, settings.reward, settings.sampling, settings.room, progress)
    bench.ask(specs)  # a method that refuses its options does so before a folder is made
    folder = None if out is None else Folder(out, settings)
    if folder is not None:
        bench.journal = folder.journal
        if len(folder.journal):
            err().print(f"going on from {folder.path}: {len(folder.journal)} runs of all problems are there")
    comparison = bench.compare(specs, settings.budgets)
    report = None if folder is None else folder.finish(comparison, specs, task)
    title = f"{settings.model}, {settings.problems} problems, reward {settings.reward}"
    picture = save_plot(comparison, title, plot or (PLOT if out is None else out / "compare.png"))
    if as_json:
        emit(compare_document(comparison, settings, picture, report))
    else:
        render(comparison, settings, picture, report)
