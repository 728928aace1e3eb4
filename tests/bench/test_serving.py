"""The bench of the server: what its client makes of bytes, what a soak calls broken, and a soak of ten seconds."""

import asyncio
from random import Random

import pytest

from ramify.api import bench
from ramify.bench.measure import Row, interleaved, percentile
from ramify.bench.serving import arrivals
from ramify.bench.soak import GROWTH, Seen, _rows, slope, soaked
from ramify.bench.traffic import GOOD, KINDS, Visit, fault, visit
from ramify.bench.wire import Exchange, ask, request
from ramify.core.errors import BadInput

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b'data: {"choices": [{"text": "a", "finish_reason": null}]}\n\n'
LAST = b'data: {"choices": [{"text": "", "finish_reason": "length"}]}\n\n'


def framed(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def answer(*reads: bytes) -> Exchange:
    return Exchange([(float(i), data) for i, data in enumerate(reads)], -1.0, 9.0)


def whole(status: int, body: bytes, headers: bytes = b"") -> Exchange:
    return answer(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n%s\r\n%s" % (status, len(body), headers, body))


STREAM = answer(HEAD + framed(CHUNK), framed(CHUNK, CHUNK), framed(LAST, b"data: [DONE]\n\n") + b"0\r\n\r\n")
PLAIN = Visit("plain", (), GOOD)


def test_a_token_comes_with_the_read_that_completes_it() -> None:
    assert arrivals(STREAM) == [0.0, 1.0, 1.0]
    torn = HEAD + framed(CHUNK)
    assert arrivals(answer(torn[:-20], torn[-20:])) == [1.0]


def test_bodies_lose_their_frames() -> None:
    assert STREAM.body == CHUNK * 3 + LAST + b"data: [DONE]\n\n" and STREAM.complete
    assert whole(404, b"{}").body == b"{}" and whole(404, b"{}").status == 404
    assert answer().status is None


@pytest.mark.parametrize(
    ("visited", "came", "said"),
    [
        (PLAIN, whole(500, b""), "status 500"),
        (PLAIN, answer(), "status None"),
        (PLAIN, whole(429, b"{}"), "Retry-After"),
        (PLAIN, answer(HEAD + framed(b"{}")), "breaks off"),
        (Visit("stream", (), GOOD, streams=True), answer(HEAD + framed(CHUNK) + b"0\r\n\r\n"), "ends with"),
        (Visit("bad field", (), frozenset({400})), whole(400, b"oh"), "no error object"),
    ],
)
def test_what_is_wrong_with_an_answer(visited: Visit, came: Exchange, said: str) -> None:
    assert said in (fault(visited, came) or "nothing")


def test_what_is_right() -> None:
    busy = whole(429, b'{"error": {"message": "later"}}', b"retry-after: 1\r\n")
    assert fault(PLAIN, busy) is None and fault(PLAIN, whole(200, b"{}")) is None
    assert fault(Visit("stream", (), GOOD, streams=True), STREAM) is None
    assert fault(Visit("hangs up", (), GOOD | {None}, leave=0.1), answer()) is None


def test_visits_are_of_all_kinds_and_the_same_for_a_seed() -> None:
    def some() -> list[Visit]:
        random = Random(3)
        return [visit(random, "builtin") for _ in range(1500)]

    kinds = {each.kind for each in some()}
    assert some() == some()
    assert kinds >= {
        *KINDS,
        "hangs up",
        "hangs up asking",
        "bad field",
        "bad body",
        "oversized",
        "wrong key",
        "no HTTP",
    }


def test_slope_and_percentile() -> None:
    line = [(float(x), 2.0 * x) for x in range(9)]
    assert slope(line) == slope([*line, (9.0, 1e6)]) == 2.0 and slope(line[:1]) == 0.0  # one outlier is no matter
    assert percentile([3.0, 1.0, 2.0, 4.0], 0.5) == 2.0 and percentile([3.0, 1.0], 0.99) == 3.0


def test_broken_promises_are_rows_that_are_not_ok() -> None:
    def broken(seen: Seen, minutes: float = 10.0) -> set[str]:
        return {row["name"] for row in _rows(seen, minutes) if not row["ok"]}

    flat = [(float(second), 800.0) for second in range(600)]
    rising = [(second, mib + 1.5 * GROWTH * second / 60) for second, mib in flat]
    assert broken(Seen(balanced=True, memory=flat)) == set()
    assert broken(Seen(balanced=True, memory=rising)) == {"memory_growth"}
    assert broken(Seen(balanced=True, memory=rising), minutes=0.1) == set()  # too short to say
    assert broken(Seen(memory=flat, left=1.0)) == {"pages_leaked", "books_unbalanced"}
    assert broken(Seen(balanced=True, memory=flat, exit_code=1, complaints=["error"])) == {
        "books_unbalanced", "complaints",
    }  # fmt: skip
    failed = Seen(balanced=True, memory=flat)
    failed.note(PLAIN, whole(503, b""))
    assert broken(failed) == {"server_errors", "unexpected"}


def test_what_ways_return_is_kept_by_round() -> None:
    calls = iter(range(100))
    returned = interleaved({"a": lambda: next(calls), "b": lambda: None}, rounds=2).returned
    assert len(returned["a"]) == 2 and returned["b"] == [None, None]


def test_nobody_answers() -> None:
    assert asyncio.run(ask(9, request("/healthz", method="GET"))).status is None


@pytest.mark.parametrize("wish", [{"minutes": 1.0}, {"clients": 2}])
def test_what_belongs_to_a_soak_is_refused_without(wish: Row) -> None:
    with pytest.raises(BadInput, match="--soak"):
        bench("serve", **wish)


def test_ten_seconds_of_eight_clients_break_no_promise() -> None:
    rows = {row["name"]: row for row in soaked(minutes=1 / 6, clients=8, seed=1)}
    assert [row for row in rows.values() if not row["ok"]] == []
    assert rows["answers"]["value"] >= 8 and "status_200" in rows
    assert {"server_errors", "unexpected", "pages_leaked", "books_unbalanced", "complaints"} <= rows.keys()
