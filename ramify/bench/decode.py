"""Decoding against `transformers` with the same weights: tokens a second, one prompt and 32.

A random Llama of 110M parameters in bf16, prompts of 128 tokens, 128 new ones, greedy. Reading the prompts is timed
apart. The peer is the faster of transformers' sdpa and eager attention.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from ramify.bench.measure import Row, Timing, interleaved, row
from ramify.bench.peers import advance_to, engine_of, prompts_of, quickest, same_weights
from ramify.core.types import Branch

PROMPT, NEW, VOCABULARY = 128, 128, 32_000
BOUNDS = {1: 2.0, 32: 1.4}  # times as fast, by prompts


def run(*, seed: int = 0, rounds: int = 5, progress: Callable[[str], None] = lambda text: None) -> list[Row]:
    """Rows batch1, batch32 (tokens/s; ratio: times transformers') and prefill32 (prompt tokens/s)."""
    rows = list[Row]()
    with same_weights(seed) as folder:
        for prompts, bound in BOUNDS.items():
            progress(f"{prompts} prompts of {PROMPT} tokens, {NEW} new ones, {rounds} rounds each way")
            timing, peer = measure(folder, prompts, seed, rounds)
            tokens, ratio = prompts * (NEW - 1), timing.ratio("peer decodes", "decodes")
            more: Row = {"ratio": ratio, "baseline": f"transformers {peer}", "foreign_cores": timing.foreign}
            more["tokens_per_second"] = tokens / timing.median("decodes")
            rows.append(row(f"batch{prompts}", ratio, "times transformers", bound) | more)
            if prompts > 1:
                ratio, speed = timing.ratio("peer reads", "reads"), prompts * PROMPT / timing.median("reads")
                more |= {"ratio": ratio, "tokens_per_second": speed}
                rows.append(row(f"prefill{prompts}", ratio, "times transformers") | more)
    return rows


def measure(folder: Path, prompts: int, seed: int, rounds: int) -> tuple[Timing, str]:
    """Both ways, interleaved, and the name of the peer's attention."""
    torch.manual_seed(seed)
    tokens_BT = torch.randint(0, VOCABULARY, (prompts, PROMPT))
    engine = engine_of(folder, num_pages=prompts * (PROMPT + NEW) // 16 + prompts, row_budget=512)
    peer = quickest(folder, tokens_BT)
    alive = list[Branch]()

    def read() -> None:
        engine.target.book.tree.evict(engine.target.book.pool.num_idle)
        alive[:] = [engine.open(prompt) for prompt in prompts_of(tokens_BT, 0.0)]
        engine.advance(alive, 1)

    def decode() -> None:
        advance_to(engine, alive, NEW)
        engine.drop(alive)

    ways = {
        "reads": read,
        "decodes": decode,
        "peer reads": lambda: peer.prefill(tokens_BT),
        "peer decodes": lambda: peer.decode(NEW - 1),
    }
    timing = interleaved(ways, rounds)
    return timing, peer.attention
