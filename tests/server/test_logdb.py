"""The log database: calls arrive whole, keys never do, and no trouble with the file reaches a request."""

import json
import logging
import math
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.ledger import Ledger, ModelAccount
from ramify.server import logdb
from ramify.server.logdb import COLUMNS, LogDb
from tests.house.source import ROOT

CALL = {"request_id": "r1", "time": 1.7e9, "route": "/v1/completions", "model": "builtin", "status": 200}


def rows(path: Path, question: str = "select * from calls order by id") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        file.row_factory = sqlite3.Row
        return [dict(row) for row in file.execute(question)]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_call_arrives_whole(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    ledger = Ledger(prompt_tokens=3, models={"target": ModelAccount(tokens=9, flops=1e9)})
    answer = {"choices": [{"text": "zwölf \U0001f34e \udc80", "score": -math.inf}]}
    call = CALL | {"method": "best-of-n", "seed": -(1 << 63), "finish": "stop", "prompt_tokens": 3, "flops": 1e9}
    call |= {"generated_tokens": 6, "seconds": 0.5, "request": '{"prompt": "x"}', "response": answer, "ledger": ledger}
    with LogDb(path) as db:
        db.write(call | {"key": db.key_id("sk-secret")})
    (row,) = rows(path)
    assert {"id", *COLUMNS} == row.keys()
    assert {key: row[key] for key in call if key not in ("response", "ledger")} == {
        key: value for key, value in call.items() if key not in ("response", "ledger")
    }
    assert json.loads(row["response"]) == {"choices": [{"text": "zwölf \U0001f34e \udc80", "score": None}]}
    assert "zwölf \U0001f34e" in row["response"]  # to be read without a decoder, too
    assert json.loads(row["ledger"])["models"]["target"]["flops"] == 1e9
    assert rows(path, "select json_extract(ledger, '$.models.target.tokens') as t from calls") == [{"t": 9}]


def test_every_thread_is_heard_and_readers_look_on(tmp_path: Path) -> None:
    path, seen = tmp_path / "calls.db", []
    with LogDb(path) as db:

        def work(name: int) -> None:
            for i in range(100):
                db.write(CALL | {"request_id": f"{name}-{i}"})

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: bool(seen.append(len(rows(path))) or seen[-1] == 400))
        assert (db.written, db.lost) == (400, 0)
    assert len({row["request_id"] for row in rows(path)}) == 400


def test_calls_of_an_earlier_server_stay(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    for i in range(2):
        with LogDb(path) as db:
            db.write(CALL | {"request_id": str(i), "key": db.key_id("sk-one")})
            other = db.key_id("sk-two")
    one, two = rows(path)
    assert (one["request_id"], two["request_id"]) == ("0", "1")
    assert one["key"] == two["key"] != other


def test_no_key_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with LogDb(path) as db:
        db.write(CALL | {"key": db.key_id("sk-secret")})
        with pytest.raises(ValueError, match="headers"):
            db.write(CALL | {"headers": {"authorization": "Bearer sk-secret"}})
    with LogDb(tmp_path / "other.db") as other:
        assert other.key_id("sk-secret") != rows(path)[0]["key"]  # salted: files cannot be matched
    assert len(rows(path)[0]["key"]) == 8
    assert b"sk-secret" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    with LogDb(tmp_path / "calls.db") as db:
        db.write(CALL)
        until(lambda: db.written == 1)
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_a_locked_file_delays_calls_and_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "calls.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other, LogDb(path) as db:
        other.execute("begin immediate")
        start = time.monotonic()
        for i in range(20):
            db.write(CALL | {"request_id": str(i)})
        assert time.monotonic() - start < logdb.PATIENCE / 2
        until(lambda: "locked" in caplog.text)
        assert rows(path) == []
        other.execute("rollback")
        until(lambda: db.written == 20)
        assert db.lost == 0
    assert [row["request_id"] for row in rows(path)] == [str(i) for i in range(20)]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]  # it began; it is over


def test_what_the_queue_cannot_take_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "calls.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other, LogDb(path, most_waiting=5) as db:
        other.execute("begin immediate")
        db.write(CALL)
        until(lambda: not db._waiting)  # the first is on its way, and waits for the lock
        for _ in range(12):
            db.write(CALL)
        assert db.lost == 7
        other.execute("rollback")
        until(lambda: db.written == 6)
    assert len(rows(path)) == 6
    assert caplog.text.count("cannot keep up") == 1


def test_closing_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logdb, "PATIENCE", 0.1)
    path = tmp_path / "calls.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        db = LogDb(path)
        other.execute("begin immediate")
        db.write(CALL)
        start = time.monotonic()
        db.close(grace=0.5)
        assert time.monotonic() - start < 5
        db.write(CALL)
        assert (db.written, db.lost) == (0, 2)


FULL_DISK = """
import json, resource, sys, time
from ramify.server.logdb import LogDb
db = LogDb(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))  # what follows meets a full disk
for i in range(40):
    db.write({"request_id": str(i), "status": 200, "response": {"text": "x" * 20_000}})
    time.sleep(0.01)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
db.close()
print(json.dumps([db.written, db.lost]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on a process's files there")
def test_a_full_disk_fails_nothing(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    call, room = [sys.executable, "-c", FULL_DISK, str(path)], os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False, env=room)
    assert done.returncode == 0, done.stderr
    assert "cannot be written, and is tried again" in done.stderr
    assert json.loads(done.stdout) == [40, 0]  # they waited until there was room
    assert [row["request_id"] for row in rows(path)] == [str(i) for i in range(40)]


def another_kind(path: Path) -> None:
    path.write_text("a diary, not a database, and long enough to have a header\n" * 40)


def another_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("create table calls (mine text)")


def a_newer_version(path: Path) -> None:
    LogDb(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"pragma user_version = {logdb.VERSION + 1}")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (another_kind, "is not a SQLite file"),
        (another_database, "something else"),
        (a_newer_version, f"version {logdb.VERSION + 1} of the table"),
        (Path.mkdir, "cannot be written: Is a directory"),
    ],
)
def test_a_file_of_another_kind_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "calls.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(BadInput, match=message) as caught:
        LogDb(path)
    assert caught.value.field == "log_db"
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file or directory"):
        LogDb(tmp_path / "nowhere" / "calls.db")
