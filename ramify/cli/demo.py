"""`ramify demo`: branching at work on the built-in model, in a few minutes."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ramify.api import LM, is_right, load
from ramify.api import problems as draw_problems
from ramify.cli import options
from ramify.cli.compare import METHODS, PAGE_SIZE, compare_document, render, save_plot
from ramify.cli.comparing import Bench
from ramify.cli.document import emit
from ramify.cli.run import result_document
from ramify.cli.terminal import out, progress, visible
from ramify.cli.tree import draw
from ramify.core.registry import lookup
from ramify.core.results import Result
from ramify.core.strict import finite, whole

PLOT = Path("runs/demo.png")
METHOD, BRANCHES, REWARD = "speculative-rejection", 24, "builtin-prm"
LOOK_AT = 32  # problems among which a hard one is looked for


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
    chosen = [lookup("method", name) for name in METHODS.split(",")]
    with load(page_size=PAGE_SIZE) as lm:
        held_out = draw_problems(problems, seed)
        bench = Bench(lm, held_out, [seed], REWARD, {}, 0.3, progress)
        bench.calibrate()
        number, greedy = _hard_one(lm, held_out[:LOOK_AT], seed)
        wishes = bench.options(lookup("method", METHOD), BRANCHES)
        tree = lm.search(held_out[number].prompt, METHOD, seed=seed, **wishes)
        if not as_json:
            _show_tree(number, held_out[number], greedy, tree)
            out().print(f"\n[bold]2. The same compute for every method[/], on {problems} held-out problems\n")
        points = {method.name: bench.climb(method, budget) for method in chosen}
    picture = save_plot(points, f"built-in model, {problems} held-out problems", plot)
    if as_json:
        shown = {"problem": held_out[number].text, **result_document(tree, REWARD)}
        emit({**compare_document(points, bench, budget, picture), "tree": shown})
    else:
        render(points, bench, budget, picture)


def _hard_one(lm: LM, problems: list[Any], seed: int) -> tuple[int, Result]:
    """The first problem that greedy decoding gets wrong, and what it wrote (the first of all, if it gets all right)."""
    results = lm.search_many([problem.prompt for problem in problems], "greedy", seed=seed)
    pairs = zip(problems, results, strict=True)
    wrong = [i for i, (problem, result) in enumerate(pairs) if not is_right(problem, result.text)]
    number = wrong[0] if wrong else 0
    return number, results[number]


def _show_tree(number: int, problem: Any, greedy: Result, tree: Result) -> None:
    console = out()
    console.print(f"\n[bold]1. Held-out problem {number}[/], {METHOD} with {BRANCHES} branches\n")
    console.print(f"{escape(problem.text)}\n", soft_wrap=True)
    console.print(draw("the prompt", tree.tree, console.width))
    for name, result in (("greedy decoding", greedy), (METHOD, tree)):
        wrong = f"[red]wrong[/], the answer is {problem.answer}"
        verdict = "[green]right[/]" if is_right(problem, result.text) else wrong
        console.print(f"\n[bold]{name}[/]: {verdict}\n{escape(visible(result.text))}", soft_wrap=True)
