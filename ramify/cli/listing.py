"""`ramify methods` and `ramify models`: what there is, with papers. `cli.parts` has the parts of drafting."""

import json
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table
from safetensors import safe_open

from ramify.api import BUILTIN, BUILTIN_MODELS
from ramify.api import methods as registered
from ramify.cli import options
from ramify.cli.document import Row, document, emit
from ramify.cli.parts import PARTS, SAID
from ramify.cli.terminal import out
from ramify.core.errors import UnknownName
from ramify.core.protocols import Method
from ramify.core.registry import names
from ramify.core.strict import keyword_options
from ramify.harness import quantities

ROLES = {
    "target": ("builtin", "draws the text"),
    "draft": ("builtin-draft", "the same task, smaller"),
    "aligned": ("builtin-aligned", "the same, aligned with the target"),
    "medusa": ("builtin-medusa", "three heads on the target's rows"),
    "orm": ("builtin-orm", "outcome reward"),
    "prm": ("builtin-prm", "process reward"),
    "tuned": ("builtin-tuned", "the target, tuned by DPO"),
    "arm": ("builtin-arm", "reward by tokens"),
}
FAMILIES = (  # model_type in config.json, what it covers, papers
    ("llama", "Llama 2 and 3.x, SmolLM2", "arXiv:2307.09288, 2407.21783, 2502.02737"),
    ("mistral", "Mistral", "arXiv:2310.06825"),
    ("qwen2", "Qwen2, Qwen2.5", "arXiv:2407.10671, 2412.15115"),
    ("qwen3", "Qwen3", "arXiv:2505.09388"),
    ("gemma2", "Gemma 2", "arXiv:2408.00118"),
    ("olmo2", "OLMo 2", "arXiv:2501.00656"),
    ("phi3", "Phi-3", "arXiv:2404.14219"),
    ("mixtral", "Mixtral", "arXiv:2401.04088"),
)


def methods(
    name: Annotated[str | None, typer.Argument(help="One of them; all if left out.", show_default=False)] = None,
    kind: Annotated[
        Literal["method", "guide", "verifier", "shape", "drafter"],
        typer.Option(help="method, guide, or a part of drafting: the rules, the shapes of drafts, what drafts."),
    ] = "method",
    seed: options.UnusedSeed = 0,
    as_json: options.AsJson = False,
) -> None:
    """List the methods, with their options, laws and papers.

    `ramify run` takes a method with --method and its options with --set, a
    guide with --guide, and the parts of drafting with --verifier, --shape
    and --draft.

    Examples:
      ramify methods
      ramify methods particle-filter
      ramify methods --kind guide
      ramify methods --json
    """
    rows = [_method_row(method) for method in registered()] if kind == "method" else PARTS[kind]()
    if name is not None:
        rows = [row for row in rows if row.name == name]
        if not rows:
            raise UnknownName(kind, name, names(kind))
    if as_json:
        emit(document(rows, seed=seed))
        return
    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    for row in rows:
        table.add_row(f"[bold]{row.name}[/]", escape("\n".join(_lines(row))))
    out().print(table)


def models(seed: options.UnusedSeed = 0, as_json: options.AsJson = False) -> None:
    """List the built-in models, and the families that can be loaded.

    Commands take a model with --model and a reward with --reward.

    Examples:
      ramify models
      ramify run "..." --model path/to/a/hugging/face/folder
    """
    rows = [_model_row(name) for name in BUILTIN_MODELS]
    if as_json:
        families = [{"model_type": kind, "covers": covers, "paper": paper} for kind, covers, paper in FAMILIES]
        emit(document(rows, families=families, measured=_report().get("numbers"), seed=seed))
        return
    console = out()
    console.print("[bold]Built-in[/], trained by `ramify train builtin`\n")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("name", "what it is", "parameters", "on disk"):
        table.add_column(heading, justify="right" if heading in ("parameters", "on disk") else "left")
    for row in rows:
        size = quantities.size(row.more["bytes"]) if row.ok else "missing"
        table.add_row(row.name, row.more["role"], f"{row.value:,.0f}", size)
    console.print(table)
    console.print("\n[bold]Families[/] that load from a folder in Hugging Face layout (safetensors)\n")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("model_type", "covers", "paper"):
        table.add_column(heading)
    for family in FAMILIES:
        table.add_row(*family)
    console.print(table)


def _lines(row: Row) -> list[str]:
    """What is said of an entry, whatever its kind: each column that it has a value in."""
    entry, lines = row.more, [row.more["summary"]]
    if "options" in entry:
        wants = [f"{name}={_written(value)}" for name, value in entry["options"].items()] + ["reward"] * entry[
            "uses_reward"
        ]
        lines += [f"law: {entry['law']}", f"needs: {entry['needs']}", f"options: {', '.join(wants) or 'none'}"]
        lines += [f"example: {entry['example']}"] * bool(entry["example"])
    else:
        lines += [f"{name}: {text}" for name in SAID if (text := entry.get(name))]
    return lines + [entry["paper"]] * (entry["paper"] != "-")


def _written(value: Any) -> str:
    """A default on one line: texts with line breaks or spaces at an end, and the empty one, as in Python."""
    plain = isinstance(value, str) and value == value.strip() and value.isprintable() and value
    return str(value) if plain or not isinstance(value, str) else repr(value)


def _method_row(method: Method) -> Row:
    own: dict[str, Any] = {name: p.default for name, p in keyword_options(method.run).items()}
    if method.select is not None:
        own["select"] = method.select
    more: dict[str, Any] = {"summary": method.summary, "law": method.law, "paper": method.paper, "options": own}
    more |= {"uses_reward": method.uses_reward, "uses_room": method.uses_room}
    more |= {"needs": method.needs, "example": method.example, "size": method.size}
    return Row(method.name, float(own.get("n") or 1), "candidates by default", more=more)


def _model_row(name: str) -> Row:
    alias, role = ROLES[name]
    files = sorted(BUILTIN_MODELS[name].glob("*.safetensors"))
    more = {"role": role, "folder": str(BUILTIN_MODELS[name]), "bytes": sum(path.stat().st_size for path in files)}
    return Row(alias, float(sum(map(_parameters, files))), "parameters", ok=bool(files), more=more)


def _parameters(path: Path) -> int:
    with safe_open(path, framework="numpy") as file:
        return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (no mapping)


def _report() -> dict[str, Any]:
    path = BUILTIN / "REPORT.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}
