"""What is finished stays finished: one line for each cell (a method with one n under one seed, on every problem).

A line is appended whole and reaches the disk before the next cell begins. A line without its end was cut by an
interruption: it is taken away, and its cell is run again.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ramify.core.errors import BadInput

Key = tuple[str, str, int | None, int]  # method, setting, n, seed


@dataclass(frozen=True)
class Cell:
    """The finished runs of one key: a row for each problem, and trees of the first few."""

    key: Key
    rows: tuple[dict[str, Any], ...]
    trees: tuple[dict[str, Any], ...] = ()


class Journal:
    """Finished cells by their keys; in memory only, if there is no path.

    Raises:
        BadInput: the file cannot be read, or a line before its last is damaged.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._cells: dict[Key, Cell] = {}
        if path is not None and path.exists():
            self._read(path)

    def __len__(self) -> int:
        return len(self._cells)

    def keys(self) -> list[Key]:
        """Of the finished cells, in the order they were finished."""
        return list(self._cells)

    def get(self, key: Key) -> Cell | None:
        """The finished cell, if there is one."""
        return self._cells.get(key)

    def append(self, cell: Cell) -> Cell:
        """Keep a cell; the cell as it will be read again.

        Raises:
            BadInput: the file cannot be written.
        """
        line = json.dumps({"key": cell.key, "rows": cell.rows, "trees": cell.trees}) + "\n"
        if self.path is not None:
            try:
                with self.path.open("ab") as file:
                    file.write(line.encode())
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise BadInput("out", f"{self.path} cannot be written: {error}") from error
        self._keep(json.loads(line))
        return self._cells[cell.key]

    def _read(self, path: Path) -> None:
        try:
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                os.truncate(path, len(whole))
        except OSError as error:
            raise BadInput("out", f"{path} cannot be read: {error}") from error
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self._keep(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise BadInput("out", f"{path}, line {number} is damaged ({error}); delete it and go on") from error

    def _keep(self, read: Mapping[str, Any]) -> None:
        method, setting, n, seed = read["key"]
        key = (method, setting, n, seed)
        self._cells.setdefault(key, Cell(key, tuple(read["rows"]), tuple(read["trees"])))
