"""Python files as the checks see them: a place in the house, a text, a syntax tree."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """A module. `place` is its path under `ramify/` without suffix ("kv/pages"; a package's `__init__` is "kv")."""

    place: str
    text: str

    @property
    def package(self) -> str:
        """The row of the house it belongs to."""
        return self.place.split("/")[0]

    @property
    def folder(self) -> str:
        """The folder it lies in, "" at the top."""
        return self.place.rpartition("/")[0]

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)


def modules(root: Path = ROOT / "ramify") -> Iterator[Module]:
    """Every module under `root`."""
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        place = relative.with_suffix("").as_posix()
        yield Module(place.removesuffix("/__init__"), path.read_text())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function in a tree, methods and nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
