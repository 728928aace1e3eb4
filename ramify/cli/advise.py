"""`ramify advise`: whether to draft with a draft, and how far."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ramify.api import Advice
from ramify.api import advise as measure
from ramify.cli import options
from ramify.cli.document import Row, document, emit
from ramify.cli.plot import save_advice
from ramify.cli.terminal import out, status
from ramify.core.errors import BadInput
from ramify.harness import quantities

Data = Annotated[Path | None, typer.Option(help='Prompts, a line each: {"prompt": ...}. Else built-in problems.')]


def advise(
    draft: Annotated[str, typer.Option("--draft", "-d", help=options.DRAFTS, show_default=False)],
    model: options.Model = "builtin",
    data: Data = None,
    n_prompts: Annotated[int, typer.Option(help="How many of them.")] = 32,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.")] = 96,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 1.0,
    batch: Annotated[int, typer.Option(help="Prompts answered at once.")] = 1,
    verifier: Annotated[str, typer.Option(help="The rule: see `ramify methods --kind verifier`.")] = "coupled",
    rounds: Annotated[int, typer.Option(help="Times that every setting answers all prompts; few tell little.")] = 5,
    png: Annotated[Path | None, typer.Option(help="Where a picture goes, if one is wanted.")] = None,
    seed: Annotated[int, typer.Option(help="Of the problems and the texts.")] = 0,
    mode: options.Mode = "fast",
    dtype: options.Dtype = "auto",
    device: options.Device = "auto",
    kv_gib: options.KvGib = 0.5,
    as_json: options.AsJson = False,
) -> None:
    """Measure a draft: whether to use it, and how far to draft.

    Acceptance at every position, what rows and drafted tokens cost on this
    machine, and what every length of chain should gain and does gain over
    plain decoding, timed turn by turn. Intervals are 95%. The advice is
    "off" where plain decoding wins.

    Examples:
      ramify advise --draft builtin-draft
      ramify advise -m path/to/model -d path/to/draft --data prompts.jsonl
      ramify advise --draft ngram --temperature 0 --png advice.png
    """
    if data is None and not model.startswith("builtin"):
        raise BadInput("data", f"{model} is no built-in model, so it needs prompts of its own: --data prompts.jsonl")
    wishes: dict[str, Any] = {
        "n_prompts": n_prompts,
        "max_tokens": max_tokens,
        "temperature": temperature,
        "batch": batch,
    }
    wishes |= {"mode": mode, "dtype": dtype, "device": device, "kv_gib": kv_gib, "seed": seed}
    with status("loading") as say:
        found = measure(model, draft, data=data, verifier=verifier, rounds=rounds, progress=say, **wishes)
    where = f"{draft} for {model}, temperature {temperature:g}, batch {batch}, {verifier}"
    if png is not None:
        save_advice(found, where, png)
    if as_json:
        emit(advice_document(found, wishes | {"draft": draft, "model": model, "verifier": verifier}))
    else:
        render(found, where, draft, verifier)


def render(found: Advice, where: str, draft: str, verifier: str) -> None:
    """Three tables and the advice."""
    console = out()
    console.print(f"[bold]{escape(where)}[/]\n", soft_wrap=True)
    console.print("[bold]Acceptance[/] of a drafted token, once all before it were accepted\n")
    console.print(_acceptance_table(found, verifier))
    if found.rejections is not None:
        r = found.rejections
        told = f"{r.rejected} of {r.tests} tests; the two models' laws foretell {r.expected:.1f} ± {r.error:.1f}"
        console.print(f"\nrejected under standard: {told}")
    console.print(f"drafts in {found.drafted:.0%} of steps\n")
    console.print("[bold]Costs[/], in plain steps\n")
    console.print(_cost_table(found))
    console.print(f"\na drafted token costs {found.token_cost:.3f} of a plain step\n")
    console.print("[bold]Speed-up[/] over plain decoding, tokens a second\n")
    console.print(_settings_table(found))
    console.print(f"\n[bold]best: {found.best}[/]  {_meaning(found, draft, verifier)}", soft_wrap=True)


def advice_document(found: Advice, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A row for each position, size of a step, length of a draft, and setting."""
    rows = _place_rows(found.acceptance, "acceptance")
    rows += _place_rows(found.standard or (), "acceptance_standard")
    plain = found.costs.step(1)
    for name, costs in (("step", found.costs.steps), ("draft", found.costs.drafts)):
        what = "rows" if name == "step" else "tokens"
        for size, seconds in costs.items():
            more = {what: size, "seconds": seconds}
            rows.append(
                Row(f"{name}_{size}", seconds / plain, "plain steps", seconds / plain, "a plain step", more=more)
            )
    for each in found.settings:
        name = each.setting if isinstance(each.setting, str) else f"chain_{each.setting}"
        gain, told = each.measured, each.predicted
        columns = {"setting": each.setting, "best": each.setting == found.best, "low": gain.low, "high": gain.high}
        columns |= {"predicted": told.value, "predicted_low": told.low, "predicted_high": told.high}
        rows.append(Row(name, gain.value, "times as fast", gain.value, "plain decoding", more=columns))
    r = found.rejections
    rejections = None if r is None else {name: getattr(r, name) for name in ("tests", "rejected", "expected", "error")}
    summary = {"best": found.best, "drafted_share": found.drafted, "token_cost": found.token_cost}
    return document(rows, **summary, rejections=rejections, **asked)


def _place_rows(places: Sequence[Any], name: str) -> list[Row]:
    found = []
    for place in places:
        more = {"depth": place.depth, "tried": place.tried, "passed": place.passed}
        more |= {"low": place.chance.low, "high": place.chance.high}
        found.append(Row(f"{name}_{place.depth}", place.chance.value, "of tests", more=more))
    return found


def _acceptance_table(found: Advice, verifier: str) -> Table:
    two = found.standard is not None and verifier != "standard"
    table = _table("position", "tests", verifier, *(["tests", "standard"] if two else []))
    beside = {place.depth: place for place in found.standard or ()} if two else {}
    for place in found.acceptance:
        cells = [str(place.depth), str(place.tried), _share(place.chance)]
        if two:
            other = beside.get(place.depth)
            cells += ["–", "–"] if other is None else [str(other.tried), _share(other.chance)]
        table.add_row(*cells)
    return table


def _cost_table(found: Advice) -> Table:
    plain = found.costs.step(1)
    table = _table("rows of a step", "time", "relative", "", "tokens of a draft", "time", "relative")
    steps = [[str(k), quantities.seconds(s), f"{s / plain:.2f}"] for k, s in found.costs.steps.items()]
    drafts = [[str(k), quantities.seconds(s), f"{s / plain:.2f}"] for k, s in found.costs.drafts.items()]
    for place in range(max(len(steps), len(drafts))):
        left, right = (part[place] if place < len(part) else ["", "", ""] for part in (steps, drafts))
        table.add_row(*left, "", *right)
    return table


def _settings_table(found: Advice) -> Table:
    table = _table("setting", "predicted", "measured", "")
    for each in found.settings:
        name = each.setting if isinstance(each.setting, str) else f"chain:{each.setting}" if each.setting else "plain"
        mark = "[bold green]best[/]" if each.setting == found.best else ""
        table.add_row(name, _times(each.predicted), _times(each.measured), mark)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _share(chance: Any) -> str:
    return f"{chance.value:.3f} ({chance.low:.3f} to {chance.high:.3f})"


def _times(gain: Any) -> str:
    return f"{gain.value:.2f}" if gain.low == gain.high else f"{gain.value:.2f} ({gain.low:.2f} to {gain.high:.2f})"


def _meaning(found: Advice, draft: str, verifier: str) -> str:
    if found.best == "off":
        return "nothing here is surely faster than plain decoding: leave drafting off"
    shape = "" if found.best == "auto" else f" --shape chain:{found.best}"
    rule = "" if verifier == "coupled" else f" --verifier {verifier}"
    return escape(f"ramify run ... --draft {draft}{rule}{shape}")
