"""What `--json` prints: one document, one line, the last of standard output."""

import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ramify import __version__


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


def machine() -> dict[str, Any]:
    """Where this ran: enough to judge a number by."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "ramify": __version__,
        **{package: _version(package) for package in ("torch", "numba")},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
