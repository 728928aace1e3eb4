"""What is said and how: docstrings where readers need them, and words that do not belong in what we ship."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import ROOT, Module

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
PRAISE = re.compile(
    r"\b(blazing\w*|seamless\w*|effortless\w*|revolutionary|cutting[- ]edge|world[- ]class|game[- ]chang\w+"
    r"|lightning[- ]fast|supercharge\w*|unparalleled)\b",
    re.IGNORECASE,
)
PLACES = re.compile(r"(?<![\w.$:/-])/(?:home|Users|root|work|mnt|opt|tmp|workspace)/\w")
SHIPPED = ("*.py", "*.md", "*.toml", "*.txt", "Makefile", ".ci/run")


def docstring_problems(module: Module) -> list[str]:
    """Modules with code, and public functions and classes at their top, without a docstring."""
    tree = module.tree
    found = []
    if tree.body and ast.get_docstring(tree) is None:
        found.append(f"{module.place}:1: the module has no docstring")
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    for node in named:
        if not node.name.startswith("_") and ast.get_docstring(node) is None:
            found.append(f"{module.place}:{node.lineno}: {node.name} has no docstring")
    return found


def word_problems(place: str, text: str) -> list[str]:
    """Unfinished work, praise of ourselves, and paths of somebody's machine."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in (("unfinished", UNFINISHED), ("praise", PRAISE), ("a machine's path", PLACES)):
            hit = pattern.search(line)
            if hit:
                found.append(f"{place}:{number}: {what}: {hit.group(0)!r}")
    return found


def shipped_texts(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """(path, text) of what a reader of the repository sees, this package's own patterns and examples left out."""
    for folder in (root / "ramify", root / "tests", root / "docs", root / "bench"):
        for pattern in SHIPPED[:2]:
            for path in sorted(folder.rglob(pattern)):
                if not path.is_relative_to(root / "tests/house"):
                    yield path.relative_to(root).as_posix(), path.read_text()
    for pattern in SHIPPED:
        for path in sorted(root.glob(pattern)):
            yield path.relative_to(root).as_posix(), path.read_text()
