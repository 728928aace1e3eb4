"""Every call with its ledger, in one SQLite file (`--log-db FILE`), while the server runs and after it.

    sqlite3 calls.db "select method, count(*), sum(flops), avg(seconds) from calls group by method order by 3 desc"

Other processes may read it at any time (write-ahead log). Keys and headers are never in it: `key` is a short, slow,
salted hash that tells callers apart. Prompts and answers are: the file is made readable for its owner alone.
"""

import hashlib
import json
import logging
import math
import os
import secrets
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, is_dataclass
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Any

from ramify.core.errors import BadInput

APPLICATION = 0x72616D66  # "ramf", in the file's header
VERSION = 1  # of the table below; docs/SERVING.md says what each version changed
COLUMNS = {
    "request_id": "text",
    "time": "real",  # of arrival, seconds since 1970 UTC
    "route": "text",
    "model": "text",
    "method": "text",  # of the search; null if there was none
    "seed": "integer",
    "status": "integer",  # HTTP; 499 if the client went away
    "finish": "text",  # why the answer ended: stop, length, ..., error
    "prompt_tokens": "integer",
    "generated_tokens": "integer",
    "flops": "real",
    "seconds": "real",
    "request": "text",  # JSON, as it was sent
    "response": "text",  # JSON, as it was given; of a stream, what it added up to
    "ledger": "text",  # JSON
    "key": "text",  # `LogDb.key_id` of the caller's
}
DOCUMENTS = ("request", "response", "ledger")
MOST_WAITING, MOST_BYTES = 1024, 64 * 2**20  # records and characters that wait for the disk
BATCH = 256  # records a transaction
PATIENCE, PAUSE = 2.0, 0.5  # seconds to wait for another writer, and before the next attempt

_INSERT = f"insert into calls ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"
_log = logging.getLogger(__name__)
Row = Sequence[str | int | float | None]


class LogDb:
    """Calls on their way to a file. `write` never waits for the disk and never fails a request.

    While the file is locked or the disk is full, calls wait and are tried again; what the queue cannot take is lost and
    counted. The log says once that it began and once that it is over.

    Args:
        most_waiting: calls that may wait for the disk.

    Raises:
        BadInput: the file is of another kind, of a newer version, or cannot be written.
    """

    def __init__(self, path: str | Path, *, most_waiting: int = MOST_WAITING) -> None:
        self.path, self.most_waiting = Path(path).absolute(), most_waiting
        self.written, self.lost = 0, 0  # calls
        self._waiting: deque[tuple[int, Row]] = deque()
        self._size, self._closed, self._failing, self._full = 0, False, False, False
        self._deadline = math.inf  # of the last attempts, once it is closed
        self._changed = threading.Condition()
        self._salt = _opened(self.path)
        self.key_id = lru_cache(1024)(self._key_id)
        self._thread = threading.Thread(target=self._serve, name="ramify-log-db", daemon=True)
        self._thread.start()

    def write(self, record: Mapping[str, Any]) -> None:
        """Queue one call. Keys are COLUMNS, missing ones are null; DOCUMENTS are made JSON unless they are text.

        Raises:
            ValueError: a key is no column (a mistake of the server's, not of a client's).
        """
        if unknown := sorted(record.keys() - COLUMNS):
            raise ValueError(f"no such column: {', '.join(unknown)}")
        row = [_cell(column, record.get(column)) for column in COLUMNS]
        size = sum(len(cell) for cell in row if isinstance(cell, str))
        with self._changed:
            fits = len(self._waiting) < self.most_waiting and self._size + size <= MOST_BYTES
            if fits and not self._closed:
                self._waiting.append((size, row))
                self._size += size
                self._changed.notify()
            else:
                self.lost += 1
            news, self._full = not fits and not self._full, not fits
        if news:
            _log.warning("the log database cannot keep up; calls are left out of it", extra=self._fields())

    def close(self, grace: float = 10.0) -> None:
        """Write what waits, for about `grace` seconds at most, and close the file."""
        with self._changed:
            self._closed, self._deadline = True, min(self._deadline, monotonic() + grace)
            self._changed.notify()
        self._thread.join(grace + PATIENCE + 1)

    def __enter__(self) -> "LogDb":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _key_id(self, key: str) -> str:
        return hashlib.scrypt(key.encode(), salt=self._salt, n=2**14, r=8, p=1, dklen=4).hex()

    def _fields(self) -> dict[str, Any]:
        return {"fields": {"file": str(self.path), "written": self.written, "lost": self.lost}}

    def _serve(self) -> None:
        with closing(_connected(self.path)) as file:
            while batch := self._next():
                while not (done := self._kept(file, batch)) and self._may_try_again():
                    pass
                with self._changed:
                    self.written, self.lost = self.written + len(batch) * done, self.lost + len(batch) * (not done)

    def _next(self) -> list[Row]:
        """Calls to write; none once it is closed and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            taken = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._size -= sum(size for size, _ in taken)
            return [row for _, row in taken]

    def _kept(self, file: sqlite3.Connection, batch: list[Row]) -> bool:
        try:
            with file:
                file.executemany(_INSERT, batch)
        except sqlite3.Error as error:
            if not self._failing:
                self._failing = True
                _log.error(f"the log database cannot be written, and is tried again: {error}", extra=self._fields())
            return False
        if self._failing:
            self._failing = False
            _log.warning("the log database is written again", extra=self._fields())
        return True

    def _may_try_again(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, PAUSE)
            return monotonic() < self._deadline


def _connected(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=PATIENCE, check_same_thread=False)
    file.execute("pragma synchronous = normal")
    return file


def _opened(path: Path) -> bytes:
    """Make the file, or see that it is one of ours; its salt."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if not path.is_file():
            raise BadInput("log_db", f"{path} is no ordinary file; name one that is, or a new one")
        with closing(_connected(path)) as file, file:
            return _checked(file, path)
    except OSError as error:
        raise BadInput("log_db", f"{path} cannot be written: {error.strerror}; name another file") from error
    except sqlite3.OperationalError as error:
        raise BadInput("log_db", f"{path} cannot be written: {error}; name another file") from error
    except sqlite3.DatabaseError as error:
        raise BadInput("log_db", f"{path} is not a SQLite file; name another, or a new one") from error


def _checked(file: sqlite3.Connection, path: Path) -> bytes:
    kind, version, tables = (
        int(file.execute(question).fetchone()[0])
        for question in ("pragma application_id", "pragma user_version", "select count(*) from sqlite_master")
    )
    if tables == 0 and kind == 0:
        file.execute("pragma journal_mode = wal")
        file.execute("begin immediate")
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        file.execute(f"create table if not exists calls (id integer primary key, {columns})")
        file.execute("create index if not exists calls_time on calls (time)")
        file.execute("create table if not exists about (name text primary key, value blob)")
        file.execute("insert or ignore into about values ('salt', ?)", (secrets.token_bytes(16),))
        file.execute(f"pragma application_id = {APPLICATION}")
        file.execute(f"pragma user_version = {VERSION}")
    elif kind != APPLICATION:
        raise BadInput("log_db", f"{path} is a SQLite file of something else; name another, or a new one")
    elif version != VERSION:
        raise BadInput(
            "log_db",
            f"{path} has version {version} of the table, this ramify writes version {VERSION}; name another file",
        )
    return bytes(file.execute("select value from about where name = 'salt'").fetchone()[0])


def _cell(column: str, value: Any) -> str | int | float | None:
    if value is None or isinstance(value, float):
        return value if value is not None and math.isfinite(value) else None
    if column in DOCUMENTS and not isinstance(value, str):
        return _text(_json(value))
    if isinstance(value, int):
        return int(value) if -(1 << 63) <= value < 1 << 63 else str(value)
    return _text(str(value))


def _text(value: str) -> str:
    """SQLite takes no lone surrogates, which JSON can spell."""
    return value.encode("utf-8", "backslashreplace").decode()


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return _finite(asdict(value)) if is_dataclass(value) and not isinstance(value, type) else str(value)


def _finite(value: Any) -> Any:
    """The same, null for numbers that JSON cannot spell."""
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
