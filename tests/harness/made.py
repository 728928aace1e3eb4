"""Trials and rows made by hand."""

from collections.abc import Sequence
from typing import Any

from ramify.harness.trial import Trial


def row(problem: int, seed: int = 0, **more: Any) -> dict[str, Any]:
    values = {"method": "best-of-n", "setting": "", "n": 2, "problem": problem, "seed": seed, "solved": 1.0}
    ledger = {"flops": 10.0, "seconds": 0.5, "generated_tokens": 8, "peak_kv_bytes": 6, "peak_unshared_kv_bytes": 9}
    about = {"score": 0.5, "candidates": 2, "right": 1, "text": "#### 1", "target_passes": 3, "target_flops": 10.0}
    return values | ledger | about | {"recomputed_tokens": 0} | more


def trial(n: int | None, cost: float, solved: Sequence[float] = (1.0, 0.0), **more: Any) -> Trial:
    rows = [row(i, n=n, flops=cost, target_flops=cost, solved=value, **more) for i, value in enumerate(solved)]
    return Trial(str(more.get("method", "best-of-n")), n, tuple(rows))
