"""Everything a comparison depends on, in one frozen place: equal settings, equal tables (but for seconds)."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ramify.harness.machine import versions
from ramify.harness.spec import Spec
from ramify.harness.tasks import Task

ENDS = 1 << 16  # bytes at both ends of a file of weights that its fingerprint looks at


@dataclass(frozen=True, kw_only=True)
class Settings:
    """As the caller wished it: labels of methods, budgets in samples, the rest as `ramify compare --help` says."""

    methods: tuple[str, ...]
    budgets: tuple[float, ...]
    problems: int
    seeds: tuple[int, ...]
    seed: int
    task: str
    task_digest: str
    checker: str | None
    checked_by: str
    reward: str | None
    temperature: float | None
    max_tokens: int | None
    room: float
    model: str
    model_digest: str
    mode: str
    dtype: str
    device: str
    kv_gib: float

    def record(self) -> dict[str, Any]:
        """As JSON keeps it, with the versions that decide what is computed."""
        flat = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return flat | {"versions": versions()}

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling that was asked for, for all methods."""
        wishes = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return {name: value for name, value in wishes.items() if value is not None}

    @property
    def command(self) -> str:
        """The command that gives the same tables again."""
        words = ["ramify", "compare", "--methods", ",".join(self.methods)]
        words += ["--budget", ",".join(f"{budget:g}" for budget in self.budgets)]
        words += ["--seeds", str(len(self.seeds))]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in FLAGS and value is not None:
                words += [f"--{field.name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
        return shlex.join(words)


FLAGS = (
    *("problems", "seed", "task", "checker", "reward", "temperature", "max_tokens", "room"),
    *("model", "mode", "dtype", "device", "kv_gib"),
)


def settings_of(
    specs: Sequence[Spec], task: Task, folder: Path, budgets: Sequence[float], seed: int, num_seeds: int, **wishes: Any
) -> Settings:
    """The settings of a comparison; `folder` is the model's, `wishes` are its other fields."""
    return Settings(
        methods=tuple(spec.label for spec in specs),
        budgets=tuple(budgets),
        problems=len(task.items),
        seeds=tuple(range(seed, seed + num_seeds)),
        seed=seed,
        task=task.name,
        task_digest=task.digest,
        checked_by=task.checked_by,
        model_digest=fingerprint(folder),
        **wishes,
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What two records differ in, each said in a few words."""
    names = dict.fromkeys([*old, *new])
    return [f"{name} {_short(old.get(name))}, not {_short(new.get(name))}" for name in names if _differ(name, old, new)]


def fingerprint(folder: Path) -> str:
    """Of a model's folder: names and sizes of its files, and both ends of each."""
    seen = blake2b(digest_size=8)
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".json", ".jinja")):
        with path.open("rb") as file:
            size = path.stat().st_size
            seen.update(f"{path.name} {size} ".encode() + file.read(ENDS))
            file.seek(max(0, size - ENDS))
            seen.update(file.read(ENDS))
    return seen.hexdigest()


def _differ(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return bool(old.get(name) != new.get(name))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
