"""The account of a run: what every model read, what it cost, what was held.

Counted where the work is done, per branch's owner, so that searches that share a step do not share a bill.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class ModelAccount:
    """One model's share. Counts are of rows (tokens read) unless said otherwise."""

    tokens: int = 0  # rows read, the prompt's included
    passes: int = 0  # forward passes this run took part in
    recomputed: int = 0  # rows read again because their pages had been given up
    flops: float = 0.0  # multiply-adds counted as two

    def add(self, other: "ModelAccount") -> None:
        """Accumulate another account into this one."""
        self.tokens += other.tokens
        self.passes += other.passes
        self.recomputed += other.recomputed
        self.flops += other.flops


@dataclass
class Ledger:
    """The account of one run (or, added up, of many).

    prompt_tokens and generated_tokens count once per prompt and per drawn token; `models` maps a model's role
    ("target", a reward's name) to its account; seconds are wall time; KV bytes are of all models together.
    """

    prompt_tokens: int = 0
    generated_tokens: int = 0
    seconds: float = 0.0
    peak_kv_bytes: int = 0  # really held at the worst moment
    peak_unshared_kv_bytes: int = 0  # what the same branches would have held without sharing pages
    forks: int = 0
    pages_copied: int = 0
    models: dict[str, ModelAccount] = field(default_factory=dict)

    def model(self, name: str) -> ModelAccount:
        """The account of one model, opened when first asked for."""
        return self.models.setdefault(name, ModelAccount())

    @property
    def flops(self) -> float:
        """Of all models."""
        return sum(account.flops for account in self.models.values())

    @property
    def recomputed_tokens(self) -> int:
        """Of all models."""
        return sum(account.recomputed for account in self.models.values())

    def add(self, other: "Ledger") -> None:
        """Accumulate another run; peaks are of runs one after another."""
        self.prompt_tokens += other.prompt_tokens
        self.generated_tokens += other.generated_tokens
        self.seconds += other.seconds
        self.peak_kv_bytes = max(self.peak_kv_bytes, other.peak_kv_bytes)
        self.peak_unshared_kv_bytes = max(self.peak_unshared_kv_bytes, other.peak_unshared_kv_bytes)
        self.forks += other.forks
        self.pages_copied += other.pages_copied
        for name, account in other.models.items():
            self.model(name).add(account)

    def row(self) -> dict[str, Any]:
        """Flat columns, for tables and JSON."""
        columns: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "generated_tokens": self.generated_tokens,
            "flops": self.flops,
            "seconds": self.seconds,
            "recomputed_tokens": self.recomputed_tokens,
            "peak_kv_bytes": self.peak_kv_bytes,
            "peak_unshared_kv_bytes": self.peak_unshared_kv_bytes,
            "forks": self.forks,
            "pages_copied": self.pages_copied,
        }
        for name, account in self.models.items():
            columns |= {f"{name}_tokens": account.tokens, f"{name}_passes": account.passes}
            columns |= {f"{name}_flops": account.flops}
        return columns

    def __str__(self) -> str:
        models = ", ".join(f"{name} {a.tokens} tokens in {a.passes} passes" for name, a in self.models.items())
        return (
            f"{self.generated_tokens} generated from {self.prompt_tokens} prompt tokens; {models or 'no model'}; "
            f"{self.flops:.3g} FLOPs, {self.seconds:.2f} s, {self.recomputed_tokens} recomputed, "
            f"peak KV {self.peak_kv_bytes / 2**20:.2f} MiB ({self.peak_unshared_kv_bytes / 2**20:.2f} unshared)"
        )
