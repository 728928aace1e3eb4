"""A server under 64 clients who do all that clients do, and what must be true meanwhile and at its end.

Promises: no status above 499, every answer one that the request may have, no page leaked (none is held once nobody is
served, the server's own audit balances, and without the prefix tree its pools are empty), no error in its log, memory
that does not grow.
"""

import asyncio
import json
import re
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from signal import SIGTERM
from time import perf_counter

from ramify.bench.measure import Progress, Row, percentile, row
from ramify.bench.process import Process, started
from ramify.bench.traffic import KEY, Visit, fault, visit
from ramify.bench.wire import Exchange, ask, request
from ramify.core.strict import finite, whole

MINUTES, CLIENTS = 10.0, 64
GROWTH = 1.0  # MiB a minute, the most that memory may grow by in the second half
SHORTEST = 4.0  # minutes, below which nothing is said about growth
SETTLING = 120.0  # seconds that a server may take to be idle again
BALANCED = "books balanced, pools empty"
DRAFT = "builtin-draft"
SMALL = ("--kv-gib", "0.02", "--limit", "max_waiting=24")  # so that pages run short, and the queue is full at times


@dataclass
class Seen:
    """What happened. `memory` and `pages`: (second, MiB), (second, most pages of any model in use)."""

    statuses: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    firsts: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    pages: list[tuple[float, float]] = field(default_factory=list)
    left: float = 0.0
    exit_code: int = 0
    balanced: bool = False
    complaints: list[str] = field(default_factory=list)

    def note(self, visited: Visit, answer: Exchange) -> None:
        """One answer, or none."""
        self.statuses[visited.kind, answer.status] += 1
        if (wrong := fault(visited, answer)) is not None:
            self.faults[wrong] += 1
        if answer.status == 200 and visited.leave is None:
            self.seconds[visited.kind].append(answer.ended - answer.began)
            if visited.streams and answer.first is not None:
                self.firsts.append(answer.first)


def soaked(
    *,
    model: str = "builtin",
    minutes: float = MINUTES,
    clients: int = CLIENTS,
    seed: int = 0,
    progress: Progress = lambda text: None,
) -> list[Row]:
    """Soak `ramify serve` with a draft and few pages.

    Returns: rows server_errors, unexpected, pages_leaked, books_unbalanced, complaints, memory_growth (the promises),
        counts by status, latencies.
    """
    finite("minutes", minutes, 0.05, 10_000)
    whole("clients", clients, 1, 10_000)
    draft = ("--draft", DRAFT) if model == "builtin" else ()
    options = ["serve", "-m", model, *draft, *SMALL, "--api-key", KEY, "--log-format", "json", "--grace", "5"]
    seen = Seen()
    with started("ramify", *options) as server:
        asyncio.run(_soak(server, seen, minutes * 60, clients, seed, progress))
        seen.exit_code = server.stop()
        _read_log(server, seen)
    return _rows(seen, minutes)


async def _soak(server: Process, seen: Seen, seconds: float, clients: int, seed: int, progress: Progress) -> None:
    begin = perf_counter()
    served = json.loads((await _get(server, "/v1/models")).body)["data"][0]["id"]

    async def client(i: int) -> None:
        random, count = Random(f"{seed}/{i}"), 0
        while perf_counter() - begin < seconds:
            visited = visit(random, served)
            try:
                seen.note(visited, await ask(server.port, *visited.parts, leave=visited.leave))
            except TimeoutError:
                seen.faults[f"{visited.kind}: no end of the answer"] += 1
            count += 1

    watcher = asyncio.create_task(_watch(server, seen, begin, seconds, progress))
    await asyncio.gather(*map(client, range(clients)))
    watcher.cancel()
    while perf_counter() - begin < seconds + SETTLING:
        busy, seen.left = await _standing(server)
        if not busy and not seen.left:
            break
        await asyncio.sleep(0.2)


async def _watch(server: Process, seen: Seen, begin: float, seconds: float, progress: Progress) -> None:
    while True:
        now = perf_counter() - begin
        if (resident := server.resident) is not None:
            seen.memory.append((now, resident))
        _, pages = await _standing(server)
        seen.pages.append((now, pages))
        answers, wrong = seen.statuses.total(), seen.faults.total()
        told = f"{now:.0f} of {seconds:.0f} s, {answers} answers, {wrong} wrong"
        progress(f"{told}, {resident or 0:.0f} MiB, {pages:.0f} pages in use")
        await asyncio.sleep(1.0)


async def _standing(server: Process) -> tuple[bool, float]:
    """Whether anybody is served or waits, and the pages in use of all models, as /metrics has them."""
    text = (await _get(server, "/metrics")).body.decode()

    def total(name: str) -> float:
        return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))

    busy = total("ramify_num_requests_running") + total("ramify_num_requests_waiting")
    return busy > 0 or not text, total("ramify_kv_pages_used")


async def _get(server: Process, path: str) -> Exchange:
    return await ask(server.port, request(path, method="GET", headers=[f"Authorization: Bearer {KEY}"]))


def _read_log(server: Process, seen: Seen) -> None:
    for line in server.log.read_text(errors="replace").splitlines():
        seen.balanced = seen.balanced or BALANCED in line
        if '"level": "error"' in line or '"level": "critical"' in line or line.startswith("Traceback"):
            seen.complaints.append(line)


def _rows(seen: Seen, minutes: float) -> list[Row]:
    statuses = Counter[str]()
    for (_, status), count in seen.statuses.items():
        statuses["none" if status is None else str(status)] += count
    errors = sum(count for (_, status), count in seen.statuses.items() if status is not None and status >= 500)
    kinds = {f"{kind}: {status}": count for (kind, status), count in sorted(seen.statuses.items(), key=str)}
    unbalanced = float(not seen.balanced or seen.exit_code not in (0, -SIGTERM))
    rows = [
        row("answers", float(sum(statuses.values())), "visits", minutes=minutes, kinds=kinds),
        *(row(f"status_{status}", float(count), "visits") for status, count in sorted(statuses.items())),
        row("server_errors", float(errors), "visits", 0.0, most=True),
        row("unexpected", float(seen.faults.total()), "visits", 0.0, most=True, faults=seen.faults.most_common(20)),
        row("pages_leaked", seen.left, "pages", 0.0, most=True),
        row("books_unbalanced", unbalanced, "yes is 1", 0.0, most=True, exit_code=seen.exit_code),
        row("complaints", float(len(seen.complaints)), "lines of its log", 0.0, most=True, lines=seen.complaints[:20]),
    ]
    return [*rows, *_memory(seen, minutes), *_latencies(seen)]


def _memory(seen: Seen, minutes: float) -> list[Row]:
    rows = [row("pages_most", max((pages for _, pages in seen.pages), default=0.0), "pages in use")]
    if not seen.memory:
        return [*rows, row("memory_growth", float("nan"), "left out: this system does not say what a process holds")]
    half = seen.memory[len(seen.memory) // 2 :]
    bound = GROWTH if minutes >= SHORTEST else None
    return [
        *rows,
        row("memory_half", half[0][1], "MiB"),
        row("memory_end", half[-1][1], "MiB"),
        row("memory_growth", slope(half) * 60, "MiB a minute", bound, most=True),
    ]


def slope(points: list[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs of points (Theil, 1950); 0 of fewer than two."""
    slopes = [(y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(points) for x2, y2 in points[i + 1 :]]
    return statistics.median(slopes) if slopes else 0.0


def _latencies(seen: Seen) -> list[Row]:
    rows = []
    if seen.firsts:
        rows += [row(f"stream_first_p{p}", percentile(seen.firsts, p / 100), "s to the first byte") for p in (50, 99)]
    for kind, seconds in sorted(seen.seconds.items()):
        rows += [row(f"{kind}_p{p}", percentile(seconds, p / 100), "s") for p in (50, 99)]
    return rows
