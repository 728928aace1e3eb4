"""Arrows point down: who imports whom, and where an import may stand."""

import ast
import sys
from collections.abc import Iterator

from tests.house.layout import FACES, HOUSE, IMPORTS_BY_NAME, STDLIB_ONLY, VARIANTS, WITHOUT_TORCH
from tests.house.source import Module, functions

ROWS = {package.name: package for package in HOUSE}


def imported(module: Module) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of everything a module imports, `from x import y` as x.y."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def layer_problems(module: Module) -> list[str]:
    """Imports that the table does not allow."""
    if module.package not in ROWS:
        return [f"{module.place}: package {module.package!r} has no row in tests/house/layout.py"]
    allowed = {*ROWS[module.package].imports, module.package}
    if "*" in allowed:
        allowed = set(ROWS) - set(FACES)
    found = []
    for line, name in imported(module):
        if name.split(".")[0] != "ramify":
            continue
        target = name.split(".")[1] if "." in name else ""
        if target in ROWS and target not in allowed:
            found.append(f"{module.place}:{line}: {module.package} may not import {target}")
        elif target not in ROWS and module.package not in FACES:
            found.append(f"{module.place}:{line}: only {', '.join(FACES)} may import ramify itself")
    return found


def outside_problems(module: Module) -> list[str]:
    """Third-party imports where only the standard library, or no torch, is allowed."""
    found = []
    for line, name in imported(module):
        top = name.split(".")[0]
        if module.package in STDLIB_ONLY and top not in sys.stdlib_module_names | {"ramify"}:
            found.append(f"{module.place}:{line}: {module.package} uses the standard library only, not {top}")
        elif top == "torch" and (module.package in WITHOUT_TORCH or module.place in WITHOUT_TORCH):
            found.append(f"{module.place}:{line}: no torch here")
    return found


def sibling_problems(module: Module) -> list[str]:
    """Variants that import one another."""
    if module.folder not in VARIANTS or module.place in VARIANTS:
        return []
    folder = f"ramify.{module.folder.replace('/', '.')}"
    names = [(line, name) for line, name in imported(module) if name == folder or name.startswith(f"{folder}.")]
    return [f"{module.place}:{line}: variants never import one another ({name})" for line, name in names]


def hidden_problems(module: Module) -> list[str]:
    """Imports that a reader or a check could miss: relative, by name, inside functions, under TYPE_CHECKING."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            found.append(f"{module.place}:{node.lineno}: relative import; write the whole name")
        if isinstance(node, ast.Name | ast.Attribute | ast.alias) and _name(node) == "TYPE_CHECKING":
            found.append(f"{module.place}:{node.lineno}: no TYPE_CHECKING")
        by_name = isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__")
        if by_name and module.place != IMPORTS_BY_NAME:
            found.append(f"{module.place}:{getattr(node, 'lineno', 0)}: only {IMPORTS_BY_NAME} imports by name")
    if module.place != IMPORTS_BY_NAME:
        inside = {
            node.lineno
            for function in functions(module.tree)
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        found += [f"{module.place}:{line}: import inside a function" for line in sorted(inside)]
    return found


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
            return name
    return ""
