"""One training loop for every model: resumable, logged, deterministic given its parts."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from ramify.train.optimiser import Optimiser, rate_share
from ramify.train.shapes import Budget


class Objective(Protocol):
    """What is trained: `loss(step)` alone decides which data a step sees."""

    modules: nn.ModuleDict

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The scalar loss of step number `step`, and the tokens it read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Where a run writes and how often.

    folder          holds log.jsonl (one object per logged step) and state.pt (the checkpoint)
    log_every       steps between lines of the log
    save_every      steps between checkpoints
    measure_every   steps between calls of `measure`, whose numbers join the log
    resume          continue from state.pt where there is one
    """

    folder: Path
    log_every: int = 20
    save_every: int = 200
    measure_every: int = 200
    resume: bool = True


def train(
    objective: Objective,
    optimiser: Optimiser,
    budget: Budget,
    work: Work,
    measure: Callable[[], dict[str, float]] = dict,
) -> None:
    """Run `budget.steps` steps, or those that are left of them when resuming.

    The checkpoint is read with `weights_only=True` and holds tensors and numbers alone.
    """
    work.folder.mkdir(parents=True, exist_ok=True)
    first = _restore(objective, optimiser, work)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task(work.folder.name, total=budget.steps, completed=first)
        meter = _Meter(work)
        for step in range(first, budget.steps):
            share = rate_share(step, budget)
            loss, tokens = objective.loss(step)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step(share)
            meter.add(loss.item(), tokens)
            done = step + 1
            numbers = measure() if done % work.measure_every == 0 or done == budget.steps else {}
            if numbers or done % work.log_every == 0:
                meter.write(done, share, numbers)
            if done % work.save_every == 0 or done == budget.steps:
                _store(objective, optimiser, work, done)
            progress.update(bar, completed=done)


class _Meter:
    def __init__(self, work: Work) -> None:
        self.path = work.folder / "log.jsonl"
        self.losses: list[float] = []
        self.tokens, self.since = 0, time.perf_counter()

    def add(self, loss: float, tokens: int) -> None:
        self.losses.append(loss)
        self.tokens += tokens

    def write(self, step: int, share: float, numbers: dict[str, float]) -> None:
        seconds = time.perf_counter() - self.since
        record = {
            "step": step,
            "loss": round(sum(self.losses) / len(self.losses), 5),
            "lr_share": round(share, 4),
            "tokens": self.tokens,
            "tokens_per_s": round(self.tokens / seconds),
            **numbers,
        }
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        self.losses, self.tokens, self.since = [], 0, time.perf_counter()


def _store(objective: Objective, optimiser: Optimiser, work: Work, step: int) -> None:
    state: dict[str, Any] = {
        "step": step,
        "modules": objective.modules.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    half = work.folder / "state.pt.part"
    torch.save(state, half)
    half.replace(work.folder / "state.pt")


def _restore(objective: Objective, optimiser: Optimiser, work: Work) -> int:
    path = work.folder / "state.pt"
    if not work.resume or not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    objective.modules.load_state_dict(state["modules"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
