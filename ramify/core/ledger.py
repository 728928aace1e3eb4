"""The account of a run: what every model read, what it cost, what was held.

Counted where the work is done, per branch's owner, so that searches that share a step do not share a bill.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["writer", "reward", "draft"]
"""What a model does in a run: it draws or shapes laws, it scores, or it drafts."""


@dataclass
class ModelAccount:
    """One model's share. Counts are of rows (tokens read) unless said otherwise."""

    tokens: int = 0  # rows read, the prompt's included
    passes: int = 0  # forward passes this run took part in
    recomputed: int = 0  # rows read again because their pages had been given up
    flops: float = 0.0  # multiply-adds counted as two
    kind: Kind = "writer"

    def add(self, other: "ModelAccount") -> None:
        """Accumulate another account into this one."""
        self.kind = other.kind
        self.tokens += other.tokens
        self.passes += other.passes
        self.recomputed += other.recomputed
        self.flops += other.flops


@dataclass
class DraftAccount:
    """What was drafted, and what became of it. Counts are of tokens unless said otherwise.

    tried[d], accepted_at[d]    how often a drafted token at depth d was put to the test (all above it were accepted),
                                and how often it passed: what a draft is worth, however long the drafts were
    """

    rounds: int = 0  # drafts that were verified
    drafted: int = 0
    accepted: int = 0
    seconds: float = 0.0  # spent on drafting
    tried: list[int] = field(default_factory=list)
    accepted_at: list[int] = field(default_factory=list)

    @property
    def wasted(self) -> int:
        """Rows that the target read for nothing."""
        return self.drafted - self.accepted

    @property
    def rows(self) -> int:
        """Rows that the target read in verifications: the last committed token and the draft behind it."""
        return self.drafted + self.rounds

    def note(self, drafted: int, path: int, stood: int) -> None:
        """One draft of `drafted` tokens whose accepted path has `path`, tested to depth `stood` at most."""
        self.rounds, self.drafted, self.accepted = self.rounds + 1, self.drafted + drafted, self.accepted + path
        missing = stood - len(self.tried)
        self.tried += [0] * missing
        self.accepted_at += [0] * missing
        for depth in range(stood):
            self.tried[depth] += 1
            self.accepted_at[depth] += depth < path

    def add(self, other: "DraftAccount") -> None:
        """Accumulate another account into this one."""
        self.rounds, self.drafted = self.rounds + other.rounds, self.drafted + other.drafted
        self.accepted, self.seconds = self.accepted + other.accepted, self.seconds + other.seconds
        for mine, theirs in ((self.tried, other.tried), (self.accepted_at, other.accepted_at)):
            mine += [0] * (len(theirs) - len(mine))
            for depth, count in enumerate(theirs):
                mine[depth] += count


@dataclass
class ServerAccount:
    """What a remote server did for a run, by its own count. Counts are of tokens unless said otherwise.

    Every request counts its whole prompt, whatever the server kept of it; `cached_tokens` is what it says it had kept.
    """

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0  # in the currency of the declared prices

    def add(self, other: "ServerAccount") -> None:
        """Accumulate another account into this one."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Ledger:
    """The account of one run (or, added up, of many).

    prompt_tokens and generated_tokens count once per prompt and per drawn token; a step draws one token for a branch
    (`draws` counts these), or several if it was drafted for; `models` maps a model's role
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
    draws: int = 0
    drafts: DraftAccount = field(default_factory=DraftAccount)
    server: ServerAccount = field(default_factory=ServerAccount)

    def model(self, name: str, kind: Kind | None = None) -> ModelAccount:
        """The account of one model, opened when first asked for."""
        account = self.models.setdefault(name, ModelAccount())
        account.kind = kind or account.kind
        return account

    @property
    def block_efficiency(self) -> float:
        """Tokens that one look of the target at a branch gives: 1 without drafts."""
        return self.generated_tokens / self.draws if self.draws else 1.0

    @property
    def reward_tokens(self) -> int:
        """Rows that reward models read."""
        return sum(account.tokens for account in self.models.values() if account.kind == "reward")

    @property
    def draft_tokens(self) -> int:
        """Rows that drafts read."""
        return sum(account.tokens for account in self.models.values() if account.kind == "draft")

    @property
    def kv_sharing(self) -> float:
        """Peak KV bytes over what the same branches would have held without sharing pages: 1 is no sharing."""
        return self.peak_kv_bytes / self.peak_unshared_kv_bytes if self.peak_unshared_kv_bytes else 1.0

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
        self.draws += other.draws
        self.seconds += other.seconds
        self.peak_kv_bytes = max(self.peak_kv_bytes, other.peak_kv_bytes)
        self.peak_unshared_kv_bytes = max(self.peak_unshared_kv_bytes, other.peak_unshared_kv_bytes)
        self.forks += other.forks
        self.pages_copied += other.pages_copied
        for name, account in other.models.items():
            self.model(name).add(account)
        self.drafts.add(other.drafts)
        self.server.add(other.server)

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
            "kv_sharing": self.kv_sharing,
            "forks": self.forks,
            "pages_copied": self.pages_copied,
        }
        if self.drafts.rounds:
            columns |= {
                "drafted_tokens": self.drafts.drafted,
                "accepted_tokens": self.drafts.accepted,
                "accepted_at": [a / t for a, t in zip(self.drafts.accepted_at, self.drafts.tried, strict=True)],
                "block_efficiency": self.block_efficiency,
                "rows_verified": self.drafts.rows,
                "rows_wasted": self.drafts.wasted,
                "draft_seconds": self.drafts.seconds,
            }
        if self.server.requests:
            columns |= {f"server_{name}": value for name, value in vars(self.server).items()}
        for name, account in self.models.items():
            columns |= {f"{name}_tokens": account.tokens, f"{name}_passes": account.passes}
            columns |= {f"{name}_flops": account.flops}
        return columns

    def __str__(self) -> str:
        models = ", ".join(f"{name} {a.tokens} tokens in {a.passes} passes" for name, a in self.models.items())
        drafts = ""
        if self.drafts.rounds:
            drafts = (
                f"{self.drafts.accepted} of {self.drafts.drafted} drafted tokens accepted, "
                f"{self.block_efficiency:.2f} tokens a pass; "
            )
        if (there := self.server).requests:
            cost = f", cost {there.cost:.4g}" if there.cost else ""
            return (
                f"{self.generated_tokens} generated from {self.prompt_tokens} prompt tokens; {there.requests} requests "
                f"({there.retries} again), {there.prompt_tokens} tokens sent ({there.cached_tokens} of them cached), "
                f"{there.completion_tokens} drawn{cost}; {self.seconds:.2f} s"
            )
        return (
            f"{self.generated_tokens} generated from {self.prompt_tokens} prompt tokens; {models or 'no model'}; "
            f"{drafts}{self.flops:.3g} FLOPs, {self.seconds:.2f} s, {self.recomputed_tokens} recomputed, "
            f"peak KV {self.peak_kv_bytes / 2**20:.2f} MiB ({self.peak_unshared_kv_bytes / 2**20:.2f} unshared)"
        )
