"""Where output goes: results to standard output, progress and errors to standard error."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from ramify.core.errors import RamifyError

BAD_INPUT, INTERRUPTED = 2, 130
PIPED_WIDTH = 120
QUIET_SECONDS = 20.0  # between two progress lines where there is no terminal

Step = Callable[[int], None]  # how many are done


def out() -> Console:
    """Standard output; 120 columns wide where it is no terminal and COLUMNS says nothing else."""
    console = Console(highlight=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=PIPED_WIDTH)


def err() -> Console:
    """Standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


class Face(TyperGroup):
    """The group of commands. What ramify raises on purpose becomes one line; Ctrl-C becomes another."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit 2 on what ramify refuses, 130 on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except RamifyError as error:
            err().print(f"[bold red]error:[/] {escape(' '.join(str(error).split()))}")
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            err().print("\ninterrupted: nothing is left running")
            raise typer.Exit(INTERRUPTED) from None


def visible(text: str) -> str:
    """Text from a model, safe to print: control characters but line breaks and tabs become a visible mark."""
    return "".join(mark if mark in "\n\t" or mark.isprintable() else "\ufffd" for mark in text)


@contextmanager
def progress(title: str, total: int) -> Iterator[Step]:
    """Progress of long work on standard error: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _lines(title, total)
        return
    text, number, clock = TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(SpinnerColumn(), text, BarColumn(), number, clock, console=err(), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def status(title: str) -> Iterator[Callable[[str], None]]:
    """What long work is doing, on standard error: a line that changes on a terminal, one now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _seldom()
        return
    with err().status(title) as line:
        yield lambda text: line.update(escape(text))


def _seldom() -> Callable[[str], None]:
    last = -QUIET_SECONDS

    def say(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= QUIET_SECONDS:
            last = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    return say


def _lines(title: str, total: int) -> Step:
    started = last = time.monotonic()

    def step(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= QUIET_SECONDS or (done == total > 1):
            last = now
            print(f"{title}: {done} of {total}, {now - started:.0f} s", file=sys.stderr, flush=True)

    return step
