"""One small comparison on the built-in models, run once, and the folder it left."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ramify.api import LM, load
from ramify.harness.cells import Bench, Step
from ramify.harness.folder import Folder
from ramify.harness.settings import Settings, fingerprint
from ramify.harness.spec import read_specs
from ramify.harness.tasks import open_task
from ramify.harness.trial import Comparison

METHODS = "greedy,sample(n=4),best-of-n,best-of-n(select=weighted-majority),speculative-rejection"
BUDGETS = (3.0, 4.0)


@pytest.fixture(scope="session")
def lm() -> LM:
    return load(page_size=8, kv_gib=0.05)


def settings_for(lm: LM, **changes: Any) -> Settings:
    """Three problems, two seeds."""
    wishes: dict[str, Any] = {
        "methods": tuple(spec.label for spec in read_specs(METHODS)),
        "budgets": BUDGETS,
        "problems": 3,
        "seeds": (5, 6),
        "seed": 5,
        "task": "builtin",
        "task_digest": "",
        "checker": None,
        "checked_by": "the number behind ####",
        "reward": "builtin-prm",
        "temperature": None,
        "max_tokens": 60,
        "room": 0.3,
        "model": "builtin",
        "model_digest": fingerprint(lm.folder),
        "mode": "fast",
        "dtype": "auto",
        "device": "auto",
        "kv_gib": 0.05,
    }
    return Settings(**wishes | changes)


@contextmanager
def unwatched(title: str, total: int) -> Iterator[Step]:
    yield lambda done: None


Run = Callable[..., Comparison]


@pytest.fixture(scope="session")
def run(lm: LM) -> Run:
    """Compare into a folder; the comparison."""

    def compare(
        path: Path, watch: Callable[[str, int], AbstractContextManager[Step]] = unwatched, **changes: Any
    ) -> Any:
        settings = settings_for(lm, **changes)
        task = open_task(settings.task, settings.problems, settings.seed)
        specs, folder = read_specs(",".join(settings.methods)), Folder(path, settings)
        reward, sampling, room = settings.reward, settings.sampling, settings.room
        bench = Bench(lm, task, settings.seeds, reward, sampling, room, watch, folder.journal)
        comparison = bench.compare(specs, settings.budgets)
        folder.finish(comparison, specs, task)
        return comparison

    return compare


@pytest.fixture(scope="session")
def finished(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Comparison]:
    """A finished run, and what it found."""
    path = tmp_path_factory.mktemp("run") / "new"
    return path, run(path)
