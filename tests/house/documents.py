"""The generated passages: which document holds which, and how each is made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text
from typer.testing import CliRunner

from ramify.cli.main import app
from ramify.core import registry
from tests.house.layout import HOUSE
from tests.house.source import ROOT


@dataclass(frozen=True)
class Passage:
    """One generated passage of one document."""

    document: str
    name: str
    make: Callable[[], str]


def present(root: Path = ROOT) -> list[str]:
    """Names of the rows of the house that have files today, `__init__` and `__main__` left out."""
    rows = [package.name for package in HOUSE if not package.name.startswith("__")]
    base = root / "ramify"
    return [name for name in rows if (base / f"{name}.py").exists() or any((base / name).glob("*"))]


def tree() -> str:
    """The packages with what they hold, as a drawn tree."""
    holds = {package.name: package.holds for package in HOUSE}
    names = present()
    labels = [f"{name}/" if (ROOT / "ramify" / name).is_dir() else f"{name}.py" for name in names]
    width = max(map(len, labels)) + 2
    lines = ["ramify/"]
    for name, label in zip(names, labels, strict=True):
        stem = "└── " if name == names[-1] else "├── "
        lines.append(f"{stem}{label:<{width}}{holds[name]}")
    return "\n".join(["```", *lines, "```"])


def layers() -> str:
    """The import table of the packages that exist."""
    names = present()
    rows = ["| package | holds | may import |", "|---|---|---|"]
    for package in HOUSE:
        if package.name in names:
            imports = ", ".join(name for name in package.imports if name in (*names, "*")) or "–"
            rows.append(f"| `{package.name}` | {package.holds} | {imports.replace('*', 'all above')} |")
    return "\n".join(rows)


def methods() -> str:
    """The registered methods, as their own entries describe them."""
    rows = ["| method | what it does | paper |", "|---|---|---|"]
    for name in registry.names("method"):
        method = registry.lookup("method", name)
        rows.append(f"| `{name}` | {method.summary} | {method.paper} |")
    return "\n".join(rows)


TRAIN = ("builtin", "draft", "steering", "tuned", "arm")
HELP = (
    "run",
    "compare",
    "methods",
    "models",
    "advise",
    "verify",
    "bench",
    *(f"train {name}" for name in TRAIN),
    "demo",
)


def commands() -> str:
    """What `--help` prints, for `ramify` and every command."""
    pages = [_help("", "ramify"), *(_help(name, f"ramify {name}") for name in HELP)]
    return "\n\n".join(pages)


def _help(command: str, title: str) -> str:
    call = [*command.split(), "--help"]
    shown = CliRunner().invoke(app, call, env={"COLUMNS": "80", "TERM": "dumb"}, prog_name="ramify")
    lines = [line.rstrip() for line in Text.from_ansi(shown.stdout).plain.splitlines()]
    return "\n".join([f"## {title}", "", "```", *"\n".join(lines).strip("\n").splitlines(), "```"])


PASSAGES = (
    Passage("README.md", "tree", tree),
    Passage("README.md", "methods", methods),
    Passage("docs/ARCHITECTURE.md", "layers", layers),
    Passage("docs/CLI.md", "commands", commands),
)
