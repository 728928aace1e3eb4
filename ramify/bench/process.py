"""A server in a process of its own, as users start it, and what it takes meanwhile."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

HOST = "127.0.0.1"
PATIENCE = 300.0  # seconds until a server that does not answer is given up; kernels may have to be compiled first


@dataclass(frozen=True)
class Process:
    """A server that answers. `log` is the file that it writes to."""

    popen: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def pid(self) -> int:
        """Its number."""
        return self.popen.pid

    @property
    def resident(self) -> float | None:
        """MiB of memory that it and its own processes hold; None where the system does not say."""
        try:
            pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in family(self.pid))
        except OSError:
            return None
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def get(self, path: str) -> str:
        """What it answers."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=60) as answer:
            text: str = answer.read().decode()
        return text

    def stop(self) -> int:
        """Ask it to end as an operator does, and wait; its exit code."""
        self.popen.terminate()
        try:
            return self.popen.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()


@contextmanager
def started(module: str, *options: str, ready: str = "/healthz") -> Iterator[Process]:
    """`python -m module ... --port PORT` on this machine's own address, until the block ends.

    Args:
        ready: a path that it answers to once it serves.

    Raises:
        ChildProcessError: it ended, or did not answer in time; with the end of its log.
    """
    port = free_port()
    command = [sys.executable, "-m", module, *options, "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as stream, _leaving_properly(), _popen(command, stream) as popen:
            process = Process(popen, port, log)
            try:
                _wait(process, command, ready)
                yield process
            finally:
                if popen.poll() is None:
                    process.stop()


def family(pid: int) -> list[int]:
    """A process and those that it started, and they; itself alone where the system does not say."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            children.setdefault(int(stat.read_text().rpartition(") ")[2].split()[1]), []).append(int(stat.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _leaving_properly() -> Iterator[None]:
    """Whoever ends this process by a signal ends its servers, too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _popen(command: Sequence[str], stream: object) -> Iterator["subprocess.Popen[bytes]"]:
    """Its output goes to `stream`; Ctrl-C is ours to pass on."""
    with subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True) as popen:  # type: ignore[call-overload]
        try:
            yield popen
        finally:
            if popen.poll() is None:
                popen.kill()


def _wait(process: Process, command: Sequence[str], ready: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.popen.poll() is None:
        try:
            process.get(ready)
        except HTTPError:  # it answers
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    end = "\n".join(process.log.read_text(errors="replace").splitlines()[-10:])
    raise ChildProcessError(f"{' '.join(command)} does not serve; it says:\n{end}")
