"""What `--json` prints: one document, one line, the last of standard output."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ramify.harness.machine import machine


@dataclass(frozen=True)
class Row:
    """One measured or listed thing; `more` are further columns."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    baseline: str | None = None
    ok: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """Flat, as it is printed."""
        own = {"name": self.name, "value": self.value, "unit": self.unit}
        return own | {"ratio": self.ratio, "baseline": self.baseline, "ok": self.ok} | dict(self.more)


def document(rows: Sequence[Row | Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """The whole document: ok when every row is."""
    flat = [row.columns() if isinstance(row, Row) else dict(row) for row in rows]
    return {"ok": all(row["ok"] for row in flat), "rows": flat, "machine": machine(), **more}


def emit(document: Mapping[str, Any]) -> None:
    """Print a document as one line. What is no finite number becomes null."""
    sys.stdout.write(json.dumps(_finite(document), allow_nan=False, default=str) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
