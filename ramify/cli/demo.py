"""`ramify demo`: branching at work on the built-in model, in a few minutes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ramify.api import LM, is_right, load
from ramify.cli import options
from ramify.cli.compare import METHODS, PAGE_SIZE
from ramify.cli.comparing import compare_document, render, save_plot
from ramify.cli.document import emit
from ramify.cli.run import result_document
from ramify.cli.terminal import out, progress, visible
from ramify.cli.tree import draw
from ramify.core.results import Result
from ramify.core.strict import finite, whole
from ramify.harness.cells import Bench
from ramify.harness.settings import settings_of
from ramify.harness.spec import Spec, read_specs
from ramify.harness.tasks import open_task

PLOT = Path("runs/demo.png")
METHOD, BRANCHES, REWARD = "speculative-rejection", 24, "builtin-prm"
WISHES: dict[str, Any] = {"checker": None, "reward": REWARD, "temperature": None, "max_tokens": None, "room": 0.3}
WISHES |= {"model": "builtin", "mode": "fast", "dtype": "auto", "device": "auto", "kv_gib": 0.5}
LOOK_AT = 32  # problems among which those that greedy decoding misses are looked for
EXAMPLES = 6  # of them are tried by branching


def demo(
    problems: Annotated[int, typer.Option(help="How many held-out problems the methods are compared on.")] = 100,
    budget: Annotated[float, typer.Option(help="Compute a problem, in plain samples.")] = 8,
    plot: Annotated[Path, typer.Option(help="Where the picture goes.")] = PLOT,
    seed: options.FixedSeed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Show a branch tree, then methods at equal compute, then the picture.

    Everything runs on the built-in models: nothing is downloaded.

    Examples:
      ramify demo
      ramify demo --problems 200 --budget 32
    """
    whole("problems", problems, 1, 1_000_000)
    finite("budget", budget, 2.0, 1e6)
    specs, task = read_specs(METHODS), open_task("builtin", problems, seed)
    with load(page_size=PAGE_SIZE) as lm:
        settings = settings_of(specs, task, lm.folder, [budget], seed, 1, **WISHES)
        bench = Bench(lm, task, settings.seeds, REWARD, {}, settings.room, progress)
        held_out = [item.record for item in task.items]
        wishes = bench.options(Spec(METHOD), BRANCHES)
        examples = _examples(lm, held_out[:LOOK_AT], seed, wishes)
        example = next((e for e in examples if e.solved), examples[0])
        if not as_json:
            _show_tree(example, examples)
            out().print(f"\n[bold]2. The same compute for every method[/], on {problems} held-out problems\n")
        comparison = bench.compare(specs, settings.budgets)
    picture = save_plot(comparison, f"built-in model, {problems} held-out problems", plot)
    if as_json:
        shown = {"problem": example.problem.text, **result_document(example.tree, REWARD)}
        emit({**compare_document(comparison, settings, picture), "tree": shown})
    else:
        render(comparison, settings, picture)


@dataclass(frozen=True)
class Example:
    """A problem, what greedy decoding made of it, and what branching did."""

    number: int
    problem: Any
    greedy: Result
    tree: Result

    @property
    def solved(self) -> bool:
        """Whether branching got it right."""
        return is_right(self.problem, self.tree.text)


def _examples(lm: LM, problems: list[Any], seed: int, wishes: dict[str, Any]) -> list[Example]:
    """The first few problems that greedy decoding gets wrong (the first of all, if it gets all right)."""
    results = lm.search_many([problem.prompt for problem in problems], "greedy", seed=seed)
    missed = [i for i, (problem, r) in enumerate(zip(problems, results, strict=True)) if not is_right(problem, r.text)]
    numbers = missed[:EXAMPLES] or [0]
    trees = [lm.search(problems[i].prompt, METHOD, seed=seed, **wishes) for i in numbers]
    return [Example(i, problems[i], results[i], tree) for i, tree in zip(numbers, trees, strict=True)]


def _show_tree(example: Example, examples: list[Example]) -> None:
    console, problem = out(), example.problem
    solved = sum(e.solved for e in examples)
    which = f"Branching solves {solved} of the first {len(examples)} problems that greedy decoding gets wrong"
    console.print(
        f"\n[bold]1. {which}.[/]\n   {METHOD} with {BRANCHES} branches on held-out problem {example.number}\n"
    )
    console.print(f"{escape(problem.text)}\n", soft_wrap=True)
    console.print(draw("the prompt", example.tree.tree, console.width))
    for name, result in (("greedy decoding", example.greedy), (METHOD, example.tree)):
        wrong = f"[red]wrong[/], the answer is {problem.answer}"
        verdict = "[green]right[/]" if is_right(problem, result.text) else wrong
        console.print(f"\n[bold]{name}[/]: {verdict}\n{escape(visible(result.text))}", soft_wrap=True)
