"""What a fork costs: microseconds, and pages copied once the children go on."""

import statistics
import time
from collections.abc import Callable

from ramify.api import Handle, advance_together, load
from ramify.bench.measure import Row, row

CHILDREN = 64


def run(*, model: str = "builtin", seed: int = 0, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Fork a branch that fills half the context, 64 children at a time, and let them all go on.

    Returns: rows fork_us (median over rounds, a child), pages_copied_per_fork, drop_us.
    """
    with load(model) as lm:
        context = lm.engine.target.runner.max_positions
        prompt = (lm.encode("Tom has 12 apples. ") * context)[: min(1024, context // 2)]
        root = lm.prefill(prompt, seed=seed, temperature=1.0, ignore_eos=True)
        root.advance(3)  # the last page is partly filled: the worst case
        forks, drops = list[float](), list[float]()
        for turn in range(30):
            progress(f"forking, round {turn + 1} of 30")
            begin = time.perf_counter()
            children = root.fork(CHILDREN)
            forked = time.perf_counter()
            lm.engine.drop([child.branch for child in children])
            forks.append((forked - begin) / CHILDREN * 1e6)
            drops.append((time.perf_counter() - forked) / CHILDREN * 1e6)
        copied = _copied(root)
        lm.engine.drop([root.branch])
        lm.check()
    tokens = len(prompt) + 3
    return [
        row("fork_us", statistics.median(forks), "us", 100.0, most=True, tokens=tokens, children=CHILDREN),
        row("pages_copied_per_fork", copied, "pages", 1.0, most=True),
        row("drop_us", statistics.median(drops), "us"),
    ]


def _copied(root: Handle) -> float:
    before = root.ledger.pages_copied
    children = root.fork(CHILDREN)
    advance_together(children, 4)
    copied = root.ledger.pages_copied - before
    root.lm.engine.drop([child.branch for child in children])
    return copied / CHILDREN
