"""`ramify run`: one prompt, one method."""

import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ramify.cli import elsewhere, options
from ramify.cli.document import Row, document, emit
from ramify.cli.terminal import err, out, progress, visible
from ramify.cli.tree import draw, shorten
from ramify.core.results import Result
from ramify.core.types import Budget
from ramify.harness import quantities


class Show(StrEnum):
    """What `ramify run` prints."""

    text = "text"
    tree = "tree"
    all = "all"


def run(
    prompt: Annotated[str, typer.Argument(help="The text to continue; - reads standard input.", show_default=False)],
    method: Annotated[str, typer.Option(help="A name from `ramify methods`.")] = "sample",
    n: Annotated[int | None, typer.Option("--n", "-n", help="Candidates; the method's default if left out.")] = None,
    reward: options.Reward = None,
    select: Annotated[str | None, typer.Option(help="How to choose, where a method leaves that open.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy; the model's default if left out.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Most tokens of one candidate.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="A text that ends a candidate; repeatable.")] = None,
    guide: options.Guide = None,
    budget_tokens: options.BudgetTokens = None,
    budget_reward_tokens: options.BudgetRewardTokens = None,
    budget_draft_tokens: options.BudgetDraftTokens = None,
    budget_flops: options.BudgetFlops = None,
    budget_seconds: options.BudgetSeconds = None,
    budget_pages: options.BudgetPages = None,
    chat: Annotated[bool, typer.Option("--chat", metavar="", help="The prompt is a user's chat message.")] = False,
    show: Annotated[Show, typer.Option(help="text: the best text. tree: the branches. all: every text.")] = Show.text,
    set_: options.Settings = None,
    seed: options.Seed = None,
    draft: options.Draft = None,
    verifier: options.Verifier = None,
    shape: options.Shape = None,
    lossy: options.Lossy = False,
    model: options.Model = "builtin",
    mode: options.Mode = "fast",
    dtype: options.Dtype = "auto",
    device: options.Device = "auto",
    kv_gib: options.KvGib = 0.5,
    steer: options.Steer = None,
    steer_strength: options.SteerStrength = None,
    server: elsewhere.Server = None,
    api_key: elsewhere.ApiKey = None,
    server_model: elsewhere.ServerModel = None,
    as_json: options.AsJson = False,
) -> None:
    """Run one method on one prompt.

    The best text goes to standard output, what it took to standard error.

    Examples:
      ramify run "Compute (12 + 9) * 4 - 30."
      ramify run "What is (3 + 4) * 5?" --method best-of-n -n 16 --show tree
      ramify run - --method speculative-rejection -n 64 \\
          --budget-pages 120 --set alpha=0.3 < problem.txt
      ramify run "Compute 7 * 8." --draft builtin-draft
      ramify run "Compute 7 * 8 - 6." --method "majority-vote(each=best-of-n(n=4))"
      ramify run "Compute 7 * 8." --server http://127.0.0.1:8000/v1 -n 4
    """
    text = sys.stdin.read() if prompt == "-" else prompt
    wishes = options.settings(set_) | options.given(
        n=n, select=select, temperature=temperature, max_tokens=max_tokens, stop=tuple(stop) if stop else None
    )
    budget = Budget(
        tokens=budget_tokens,
        reward_tokens=budget_reward_tokens,
        draft_tokens=budget_draft_tokens,
        flops=budget_flops,
        seconds=budget_seconds,
        pages=budget_pages,
    )
    judged = options.uses_reward(method, wishes)
    here = {"model": model, "mode": mode, "dtype": dtype, "device": device, "kv_gib": kv_gib, "draft": draft}
    here |= {"verifier": verifier, "shape": shape, "lossy": lossy, "steer": steer, "steer_strength": steer_strength}
    with elsewhere.searcher(server, api_key, server_model, here, run) as lm, progress(method, 1) as step:
        judge = elsewhere.judge(lm, reward, model) if judged else reward
        wishes |= {"reward": judge, "budget": budget, "seed": seed, "guide": guide}
        wishes["progress"] = lambda done, _: step(done)
        [result] = lm.search_many([[{"role": "user", "content": text}] if chat else text], method, **wishes)
    if as_json:
        emit(result_document(result, judge))
    else:
        render(text, result, show)


def render(prompt: str, result: Result, show: Show) -> None:
    """The result for a reader: the text on standard output, what it took beside it."""
    console = out()
    if show is Show.text:
        console.print(visible(result.text) if console.is_terminal else result.text, markup=False, soft_wrap=True)
        err().print(f"[bright_black]{escape(_summary(result))}[/]")
        return
    if show is Show.tree:
        console.print(draw(prompt, result.tree, console.width))
        _print_rounds(result)
        console.print(f"\n[bold]best[/]\n{escape(visible(result.text))}\n", soft_wrap=True)
    else:
        for number, candidate in enumerate(result.candidates, start=1):
            mark = " [bold green]best[/]" if candidate is result.best else ""
            score = "" if candidate.score is None else f", score {candidate.score:.3f}"
            score += "" if candidate.weight is None else f", weight {candidate.weight:.3f}"
            console.print(f"[bold]#{number}[/] {candidate.stopped_because}, {candidate.tokens} tokens{score}{mark}")
            console.print(f"{escape(visible(candidate.text))}\n", soft_wrap=True)
    console.print(f"[bright_black]{escape(_summary(result))}[/]", soft_wrap=True)


def result_document(result: Result, reward: str | None) -> dict[str, Any]:
    """One row a candidate, in the order in which they were made."""
    rows = []
    for number, candidate in enumerate(result.candidates, start=1):
        more = {"text": candidate.text, "tokens": candidate.tokens, "stopped_because": candidate.stopped_because}
        more |= {"answer": candidate.answer, "token_ids": candidate.token_ids, "best": candidate is result.best}
        more |= {} if candidate.weight is None else {"weight": candidate.weight}
        score = float("nan") if candidate.score is None else candidate.score
        rows.append(Row(f"#{number}", score, f"score ({reward})" if reward else "no score", more=more))
    run = {"method": result.method, "seed": result.seed, "reward": reward, "text": result.text}
    run |= {} if result.log_evidence is None else {"log_evidence": result.log_evidence}
    tree, rounds = [asdict(branch) for branch in result.tree], [dict(entry) for entry in result.rounds]
    return document(rows, **run, ledger=result.ledger.row(), rounds=rounds, tree=tree)


def _print_rounds(result: Result) -> None:
    if not result.rounds:
        return
    table = Table(title="rounds", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in result.rounds[0]:
        table.add_column(column, justify="right")
    for entry in result.rounds:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in entry.values()))
    out().print(table)


def _summary(result: Result) -> str:
    best, ledger = result.best, result.ledger
    parts = [f"{result.method}, {len(result.candidates)} candidates" if len(result.candidates) > 1 else result.method]
    if best.answer is not None:
        parts.append(f"answer {shorten(str(best.answer), 20, keep='head')}")
    if result.log_evidence is not None:
        parts.append(f"log evidence {result.log_evidence:.3f}")
    if any(best.notes):
        parts.append(f"guide's notes {sum(best.notes) / len(best.notes):.2f} a token")
    parts.append(f"{ledger.generated_tokens} tokens")
    if (account := ledger.server).requests:
        parts += [f"{account.requests} requests", *([f"cost {account.cost:.4g}"] if account.cost else [])]
    else:
        parts.append(quantities.flops(ledger.flops))
    parts.append(quantities.seconds(ledger.seconds))
    if (drafts := ledger.drafts).drafted:
        accepted = drafts.accepted / drafts.drafted
        parts.append(f"{ledger.block_efficiency:.1f} tokens a pass, {accepted:.0%} of drafts accepted")
    return f"{' · '.join(parts)} · seed {result.seed}"
