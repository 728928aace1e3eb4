"""What reading a shared prefix once buys: 64 branches of one prompt of 1,024 tokens.

Against `transformers` going on from one prefilled prompt with 64 copies of its cache (kinder than its
`num_return_sequences`, which reads the prompt 64 times), and against ourselves with sharing off.
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


def run(*, seed: int = 0, rounds: int = 5, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Rows vs_transformers and vs_unshared (times as fast, decoding)."""
    with same_weights(seed) as folder:
        progress(f"{BRANCHES} branches of {PROMPT} tokens, {NEW} new ones, {rounds} rounds each way")
        timing, peer = measure(folder, seed, rounds)
    speed, foreign = BRANCHES * NEW / timing.median("shared"), timing.foreign
    against_peer, alone = timing.ratio("peer", "shared"), timing.ratio("unshared", "shared")
    more: Row = {"tokens_per_second": speed, "foreign_cores": foreign}
    return [
        row("vs_transformers", against_peer, "times as fast", 4.0)
        | more
        | {"ratio": against_peer, "baseline": f"transformers {peer}"},
        row("vs_unshared", alone, "times as fast", 2.0) | more | {"ratio": alone, "baseline": "sharing off"},
    ]


def measure(folder: Path, seed: int, rounds: int) -> tuple[Timing, str]:
    """All three ways, interleaved, and the name of the peer's attention."""
    torch.manual_seed(seed)
    tokens_1T = torch.randint(0, VOCABULARY, (1, PROMPT))
    peer = quickest(folder, tokens_1T, copies=BRANCHES, sample=True)
    shared, unshared = (engine_of(folder, num_pages=PAGES, row_budget=512, share_prefixes=s) for s in (True, False))
    alive: dict[str, list[Branch]] = {}

    def fork(name: str, engine: Engine) -> None:
        root = engine.prefill(prompts_of(tokens_1T, 1.0)[0])
        alive[name] = engine.fork(root, BRANCHES)
        engine.advance(alive[name], 1)
        engine.drop([root])

    def decode(name: str, engine: Engine) -> None:
        advance_to(engine, alive[name], NEW + 1)
        engine.drop(alive[name])

    ways = {
        "fork": lambda: fork("shared", shared),
        "shared": lambda: decode("shared", shared),
        "fork unshared": lambda: fork("unshared", unshared),
        "unshared": lambda: decode("unshared", unshared),
        "copy": lambda: peer.prefill(tokens_1T, BRANCHES),
        "peer": lambda: peer.decode(NEW),
    }
    return interleaved(ways, rounds), peer.attention
