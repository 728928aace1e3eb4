"""What sharing a prefix buys: 64 branches of one prompt of 1,024 tokens, decoding.

shared      pages are stored once, and read once for all branches
apart       pages are stored once, but every branch reads them by itself
unshared    sharing off: every branch has its own copy of the prompt and reads that
peer        `transformers` going on from one prefilled prompt with 64 copies of its cache, which is kinder to it
            than its `num_return_sequences`: that reads the prompt 64 times
"""

from collections.abc import Callable
from pathlib import Path

import torch

from ramify.bench.measure import Row, Timing, interleaved, row
from ramify.bench.peers import advance_to, engine_of, prompts_of, quickest, same_weights
from ramify.core.types import Branch
from ramify.engine.engine import Engine

PROMPT, BRANCHES, NEW, VOCABULARY = 1024, 64, 16, 32_000
PAGES = PROMPT // 16 + BRANCHES * (NEW // 16 + 2)
PAGES_ALONE = PROMPT // 16 + 2 * (NEW // 16 + 2)  # a root's and its fork's


def run(*, seed: int = 0, rounds: int = 5, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Rows vs_transformers, vs_unshared and vs_apart (times as fast, decoding)."""
    with same_weights(seed) as folder:
        progress(f"{BRANCHES} branches of {PROMPT} tokens, {NEW} new ones, {rounds} rounds each way")
        timing, peer = measure(folder, seed, rounds)
    more: Row = {"tokens_per_second": BRANCHES * NEW / timing.median("shared"), "foreign_cores": timing.foreign}

    def against(way: str, baseline: str, bound: float | None) -> Row:
        ratio = timing.ratio(way, "shared")
        return row(f"vs_{way}", ratio, "times as fast", bound) | more | {"ratio": ratio, "baseline": baseline}

    return [
        against("peer", f"transformers {peer}", 4.0) | {"name": "vs_transformers"},
        against("unshared", "sharing off: 64 copies of the prompt", 2.0),
        against("apart", "pages stored once, read 64 times", None),
    ]


def measure(folder: Path, seed: int, rounds: int) -> tuple[Timing, str]:
    """All ways, interleaved, and the name of the peer's attention."""
    torch.manual_seed(seed)
    tokens_1T = torch.randint(0, VOCABULARY, (1, PROMPT))
    peer = quickest(folder, tokens_1T, copies=BRANCHES, sample=True)
    shared, apart = (engine_of(folder, num_pages=PAGES, row_budget=512, share_prefixes=s) for s in (True, False))
    unshared = engine_of(folder, num_pages=BRANCHES * PAGES_ALONE, row_budget=512, share_prefixes=False)
    copies_BT = tokens_1T.repeat(BRANCHES, 1)
    copies_BT[:, 0] = torch.arange(BRANCHES)  # prompts of different first tokens have no page in common
    roots = [unshared.prefill(prompt) for prompt in prompts_of(copies_BT, 1.0)]
    alive: dict[str, list[Branch]] = {}

    def fork(name: str, engine: Engine) -> None:
        root = engine.prefill(prompts_of(tokens_1T, 1.0)[0])
        alive[name] = engine.fork(root, BRANCHES)
        engine.advance(alive[name], 1)
        engine.drop([root])

    def fork_each() -> None:
        alive["unshared"] = [branch for root in roots for branch in unshared.fork(root, 1)]
        unshared.advance(alive["unshared"], 1)

    def decode(name: str, engine: Engine) -> None:
        advance_to(engine, alive[name], NEW + 1)
        engine.drop(alive[name])

    ways = {
        "fork": lambda: fork("shared", shared),
        "shared": lambda: decode("shared", shared),
        "fork apart": lambda: fork("apart", apart),
        "apart": lambda: decode("apart", apart),
        "fork unshared": fork_each,
        "unshared": lambda: decode("unshared", unshared),
        "copy": lambda: peer.prefill(tokens_1T, BRANCHES),
        "peer": lambda: peer.decode(NEW),
    }
    return interleaved(ways, rounds), peer.attention
