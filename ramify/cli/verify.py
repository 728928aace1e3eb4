"""`ramify verify`: the proofs, rerun on your machine."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from ramify.api import verify as prove
from ramify.api import verify_search, verify_speculation
from ramify.api.sources import folder_of
from ramify.cli import options
from ramify.cli.document import document, emit
from ramify.cli.terminal import out, status
from ramify.core.errors import BadInput

DRAFT = "With speculation: what drafts for --model (builtin-draft, ngram, skip-layers, a folder ...)."
DATA = 'With --draft: prompts to try, a JSON object with "prompt" a line.'


def verify(
    what: Annotated[
        Literal["laws", "search", "speculation"], typer.Argument(help="laws: of the engine. search: of every method.")
    ] = "laws",
    model: options.Model = "builtin",
    toy: Annotated[bool, typer.Option("--toy", metavar="", help="Only the toy: no model is loaded.")] = False,
    draft: Annotated[str | None, typer.Option(help=DRAFT)] = None,
    data: Annotated[Path | None, typer.Option(help=DATA)] = None,
    samples: Annotated[int, typer.Option(help="Texts for each test of a sampled law.")] = 1500,
    seed: options.FixedSeed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Rerun the proofs: on an enumerable toy, exactly; on a model, in its modes.

    Every law says that two ways of computing have the same law, or that the
    books balance. The distance between them is shown with its bound. The
    exit code is 0 if all hold and 1 if one does not.

    search: every method and guide, one row each: the law it claims against
    the closed form, and the settings at which it is a simpler method.

    speculation: every drafter in every shape of tree under every lossless
    rule and every transform of sampling, by enumeration on the toy. What
    cannot be combined is listed apart, with the reason. With --draft, on a
    model instead: greedy texts token for token, coupled ones in exact mode,
    and for every rule that reads the draft a G-test of sampled texts, with
    what it would find 9 times in 10.

    Examples:
      ramify verify --toy
      ramify verify search
      ramify verify speculation
      ramify verify speculation --model path/to/model --draft ngram
      ramify verify --model path/to/model --json
    """
    if draft is not None and (toy or what != "speculation"):
        raise BadInput("draft", "it belongs to: ramify verify speculation, without --toy")
    if draft is None and (data is not None or (what != "laws" and (toy or model != "builtin"))):
        raise BadInput("draft", "searches and speculation are proved on the toy; name a draft to try it on a model")
    with status("loading") as say:
        if what == "speculation":
            prompts = [] if data is None else _prompts(data)
            rows = verify_speculation(say, model=model, draft=draft, prompts=prompts, samples=samples, seed=seed)
        elif what == "search":
            rows = verify_search(say)
        else:
            rows = prove(None if toy else folder_of(model), say)
    proofs, apart = [row for row in rows if not row.get("reason")], [row for row in rows if row.get("reason")]
    if as_json:
        emit(document(proofs, seed=seed, **({"uncombined": apart} if what == "speculation" else {})))
    else:
        render(proofs, apart)
    if not all(row["ok"] for row in proofs):
        raise typer.Exit(1)


def _prompts(path: Path) -> list[str]:
    """The prompts of a file: a JSON object with "prompt" a line.

    Raises:
        BadInput: it cannot be read, or holds none.
    """
    try:
        found = [json.loads(line)["prompt"] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput("data", f'{path}: {error}; a line is an object as in {{"prompt": "..."}}') from error
    if not found or any(not isinstance(prompt, str) or not prompt for prompt in found):
        raise BadInput("data", f"{path}: every prompt is a text, and there is one at least")
    return found


def render(rows: list[dict[str, Any]], apart: Sequence[dict[str, Any]] = ()) -> None:
    """One line a proof, and one for each reason why something cannot be combined."""
    gathered = _gathered(rows)
    table, lab = Table(box=None, padding=(0, 2, 0, 0)), ""
    for heading in ("", "law", "distance", "bound"):
        table.add_column(heading, justify="right" if heading in ("distance", "bound") else "left", overflow="fold")
    for row in gathered:
        mark = "[green]holds[/]" if row["ok"] else "[bold red]FAILS[/]"
        if lab != (lab := row["name"].removesuffix(f": {row['law']}")):
            table.add_row("", f"[bold]{lab}[/]")
        if "p" in row:
            found = f"{row['samples']:,} samples, {row['cells']} cells, finds {row['finds']:.1%}"
            table.add_row(mark, f"{row['law']} ({found})", f"p {row['p']:.2g}", f"> {row['level']:.2g}")
        else:
            claims = "".join(f"\n[bright_black]{claim}[/]" for claim in row.get("claims", ()))
            table.add_row(mark, f"{row['law']}{claims}", f"{row['distance']:.2g}", f"{row['bound']:.2g}")
    failed = sum(not row["ok"] for row in rows)
    out().print(table)
    for reason, times in Counter(row["reason"] for row in apart).items():
        out().print(f"not combined, {times} times: {reason}")
    out().print(f"\n{len(rows) - failed} of {len(rows)} hold", style="bold red" if failed else "bold green")


def _gathered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Combinations of one rule and shape as one row: how many they are, and the one that is furthest off."""
    groups = dict[tuple[str, ...], list[dict[str, Any]]]()
    for row in rows:
        lab = row["name"].removesuffix(f": {row['law']}")
        groups.setdefault((lab, row["rule"], row["shape"]) if "rule" in row else (lab, row["law"]), []).append(row)
    gathered = []
    for (lab, *names), some in groups.items():
        law = names[0] if len(names) == 1 else f"{names[0]}, {names[1]}: {len(some)} combinations"
        gathered.append(max(some, key=lambda row: float(row["distance"])) | {"name": f"{lab}: {law}", "law": law})
    return gathered
