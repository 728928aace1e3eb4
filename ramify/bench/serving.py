"""What serving costs: whether prompts stall the streams that run beside them, and what many streams gain over one.

The server is `ramify serve` in a process of its own, the client this process. Beside it stands llama-cpp-python's
server on the same weights, if that is installed; it serves one request at a time.
"""

import asyncio
import gc
import json
import re
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from random import randrange
from time import perf_counter
from typing import Any

import torch

from ramify.api import LM, compute_on, load
from ramify.api.threads import ChunkSteps
from ramify.bench import llama
from ramify.bench.measure import Progress, Row, Timing, interleaved, percentile, row, under
from ramify.bench.process import Process, started
from ramify.bench.soak import CLIENTS, MINUTES, soaked
from ramify.bench.wire import Exchange, ask, request
from ramify.core.errors import BadInput

RUNNING, STREAMS = 8, 32  # streams that prompts arrive beside; streams that are compared with one
READERS = 2  # clients that send full prompts, so that one always waits while another is read
SETTLED, SECONDS = 0.4, 2.5  # until streams run, and how long they are looked at: none of them ends so soon
TOKENS, CHUNKS = 384, 300  # steps: streams grow as long as they do in the server
MOST_PROMPTS = 200  # a second, more than any server reads
STALL_BOUND, STREAMS_BOUND = 2.0, 5.0
TEXT = "Tom has 12 apples. He buys 7 more and gives 4 to Ann."


def run(
    *,
    model: str = "builtin",
    seed: int = 0,
    soak: bool = False,
    minutes: float | None = None,
    clients: int | None = None,
    progress: Progress = lambda text: None,
) -> list[Row]:
    """Time a server, or soak it.

    Args:
        soak: instead of timing it, let `clients` (64) do all that clients do for `minutes` (10): see
            `ramify.bench.soak`.

    Returns: rows tbt_p99_over_chunk (99th percentile of the time between tokens while prompts of the full context keep
        arriving, over the time of a step that reads a full chunk), streams32_vs_1, tokens a second of both, and of
        llama-cpp-python's server.
    """
    if soak:
        minutes, clients = MINUTES if minutes is None else minutes, CLIENTS if clients is None else clients
        return soaked(model=model, minutes=minutes, clients=clients, seed=seed, progress=progress)
    if minutes is not None or clients is not None:
        raise BadInput("minutes" if minutes is not None else "clients", "they belong to --soak")
    with ExitStack() as stack:
        lm = stack.enter_context(load(model, preallocate=True))
        server = stack.enter_context(started("ramify", "serve", "-m", model, "--log-level", "warning"))
        gc.collect()
        gc.freeze()  # what the client pauses for is no pause of the server
        stack.callback(gc.unfreeze)
        ours = Peer(server, {"model": json.loads(server.get("/v1/models"))["data"][0]["id"], "ignore_eos": True})
        rows = _stalls(lm, ours, under(progress, "prompts of the full context beside running streams"))
        return rows + _streams(lm, ours, under(progress, "many streams and one"))


@dataclass(frozen=True)
class Peer:
    """A server, and what its requests hold beside the prompt so that texts end at their length alone."""

    process: Process
    extras: dict[str, Any]

    def stream(self, seed: int, tokens: int) -> bytes:
        """A request for a stream of so many tokens."""
        body = {"prompt": TEXT, "max_tokens": tokens, "temperature": 1.0, "seed": seed, "stream": True}
        return request("/v1/completions", body | self.extras)

    async def streams(self, count: int, tokens: int) -> list[list[float]]:
        """Streams at once, to their ends; when the tokens of each came."""
        port = self.process.port
        exchanges = await asyncio.gather(*(ask(port, self.stream(i, tokens)) for i in range(count)))
        return [arrivals(exchange) for exchange in exchanges]


def arrivals(stream: Exchange) -> list[float]:
    """When the tokens of a stream came: chunks that are not its end.

    Raises:
        ChildProcessError: it is no such stream.
    """
    if stream.status != 200:
        raise ChildProcessError(f"status {stream.status}: {stream.body[:200]!r}")
    events = [(when, event) for when, event in stream.events() if event is not None and event.get("choices")]
    return [when for when, event in events if event["choices"][0]["finish_reason"] is None]


def _stalls(lm: LM, peer: Peer, progress: Progress) -> list[Row]:
    cores, threads = torch.get_num_threads(), _threads(peer)
    ways: dict[str, Callable[[], object]] = {
        "chunk": lambda: chunk_seconds(lm, threads),
        "streams": lambda: asyncio.run(gaps(lm, peer)),
    }
    if threads != cores:
        ways["chunk on every core"] = lambda: chunk_seconds(lm, cores)
    timing = interleaved(ways, own=[peer.process.pid], progress=progress)
    chunks, streams = timing.returned["chunk"], timing.returned["streams"]
    late = [percentile(each, 0.99) for each in streams]
    ratio = statistics.median(a / b for a, b in zip(late, chunks, strict=True))
    more = {"ratio": ratio, "baseline": "a step with a full chunk", "streams": RUNNING, "foreign_cores": timing.foreign}
    rows = [
        row("tbt_p99_over_chunk", ratio, "times a chunk's step", STALL_BOUND, most=True) | more,
        row("chunk_ms", statistics.median(chunks) * 1e3, f"ms, on {threads} of {cores} cores, as it is served"),
        row("tbt_p50_ms", statistics.median(percentile(each, 0.5) for each in streams) * 1e3, "ms"),
        row("tbt_p99_ms", statistics.median(late) * 1e3, "ms"),
    ]
    if threads != cores:
        every = statistics.median(timing.returned["chunk on every core"]) * 1e3
        rows.append(row("chunk_every_core_ms", every, f"ms, on {cores} cores"))
    return rows


def _threads(peer: Peer) -> int:
    """Cores that a server's engine computes on."""
    found = re.search(r"^ramify_engine_threads (\S+)$", peer.process.get("/metrics"), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def chunk_seconds(lm: LM, threads: int) -> float:
    """Median time of a step that reads a full chunk of a prompt beside running streams, by the engine alone."""
    before = torch.get_num_threads()
    compute_on(lm, threads)
    try:
        with ChunkSteps(lm, RUNNING) as steps:
            return statistics.median(steps.take() for _ in range(CHUNKS))
    finally:
        compute_on(lm, before)


def full_prompt(lm: LM) -> list[int]:
    """Tokens that nobody has read yet, as many as the context has but one."""
    return [randrange(2, lm.tokenizer.vocab_size) for _ in range(lm.engine.target.runner.max_positions - 1)]


async def gaps(lm: LM, peer: Peer) -> list[float]:
    """Seconds between tokens of running streams while prompts of the full context keep arriving.

    What is sent is made before, and what came is read afterwards: the client shares the processor with the server.
    """
    port, room = peer.process.port, lm.engine.target.runner.max_positions - len(lm.encode(TEXT)) - 1
    prompts = [
        request("/v1/completions", peer.extras | {"prompt": full_prompt(lm), "max_tokens": 1})
        for _ in range(int(SECONDS * MOST_PROMPTS))
    ]
    answers, begin = list[Exchange](), perf_counter() + SETTLED
    end = begin + SECONDS

    async def read() -> None:
        await asyncio.sleep(begin - perf_counter())
        while perf_counter() < end and prompts:
            answers.append(await ask(port, prompts.pop()))

    streams = asyncio.gather(*(ask(port, peer.stream(i, room), leave=end - perf_counter()) for i in range(RUNNING)))
    await asyncio.gather(*(read() for _ in range(READERS)))
    if wrong := [answer for answer in answers if answer.status != 200]:
        raise ChildProcessError(f"status {wrong[0].status}: {wrong[0].body[:200]!r}")
    came = [arrivals(stream) for stream in await streams]
    over = min(times[-1] for times in came)  # a stream that ends is not followed by another one
    return [b - a for times in came for a, b in pairwise(times) if begin < a and b <= over]


def _streams(lm: LM, ours: Peer, progress: Progress) -> list[Row]:
    with ExitStack() as stack:
        peers = {"": ours}
        if llama.MISSING is None:
            process = stack.enter_context(llama.served(lm.folder))
            peers["llama_cpp_"] = Peer(process, llama.PLAIN)
        return _compared(peers, progress)


def _compared(peers: dict[str, Peer], progress: Progress) -> list[Row]:
    def way(name: str, peer: Peer, count: int) -> Callable[[], object]:
        return partial(_drawn, peer, count, _tokens(name, count))

    ways = {f"{name}{count}": way(name, peer, count) for name, peer in peers.items() for count in (1, STREAMS)}
    timing = interleaved(ways, own=[peer.process.pid for peer in peers.values()], progress=progress)
    gain = STREAMS * timing.ratio("1", str(STREAMS))
    more = {"ratio": gain, "baseline": "one stream", "foreign_cores": timing.foreign}
    rows = [row(f"streams{STREAMS}_vs_1", gain, "times the tokens a second", STREAMS_BOUND) | more]
    for name in peers:
        rows += [_rate(timing, name, count) for count in (1, STREAMS)]
    if len(peers) == 1:
        rows.append(row("llama_cpp", float("nan"), f"left out: {llama.MISSING}"))
    return rows


def _rate(timing: Timing, name: str, count: int) -> Row:
    way, tokens = f"{name}{count}", _tokens(name, count)
    more: Row = {}
    if name:
        ratio = timing.ratio(way, str(count)) * _tokens("", count) / tokens
        more = {"ratio": ratio, "baseline": "llama-cpp-python, one request at a time"}
    return row(f"{name}tokens_{count}", count * tokens / timing.median(way), "tokens/s") | more


def _tokens(name: str, count: int) -> int:
    """Tokens of a stream: fewer where they come one stream after another, which takes minutes."""
    return TOKENS if not name or count == 1 else TOKENS // 4


def _drawn(peer: Peer, count: int, tokens: int) -> None:
    came = asyncio.run(peer.streams(count, tokens))
    if short := [len(each) for each in came if len(each) < tokens]:
        raise ChildProcessError(f"{len(short)} of {count} streams are too short: {short[:5]}, not {tokens} tokens")
