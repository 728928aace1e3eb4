"""A service in a process of its own answers as one in this process does, passes errors on, leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import ramify
from ramify.api import LM, Service, ServiceProcess
from ramify.core.errors import BadInput, Cancelled, CheckpointError, Closing, Overloaded, UnknownName
from ramify.core.events import Event

LOADING = partial(ramify.load, "builtin", mode="exact", kv_gib=0.02)
PROMPT = "Compute 7 * 8."
ASKED: dict[str, dict[str, Any]] = {
    "sample": {"n": 2, "max_tokens": 12, "logprobs": 1},
    "best-of-n": {"n": 3, "max_tokens": 12, "reward": "builtin-prm"},
    "majority-vote": {"n": 3, "max_tokens": 12, "stop": ("5",)},
}


@pytest.fixture(scope="module")
def apart() -> Iterator[ServiceProcess]:
    with ServiceProcess(LOADING, max_waiting=2) as service:
        yield service
    assert not service.alive
    assert service.audit() >= 0
    with pytest.raises(Closing):
        service.submit(PROMPT)


@pytest.fixture(scope="module")
def here() -> Iterator[Service]:
    with Service(LOADING) as service:
        yield service


def wait_for(true: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def idle(service: ServiceProcess) -> bool:
    status = service.status()
    return not status.running and not status.waiting and not any(used for used, _, _ in status.pages.values())


@pytest.mark.parametrize("method", ASKED)
def test_it_answers_as_a_service_here_does(method: str, apart: ServiceProcess, here: Service) -> None:
    told: list[list[Event]] = [[], []]
    tickets = [
        service.submit(PROMPT, method, seed=5, watch=events.append, **ASKED[method])
        for service, events in zip((apart, here), told, strict=True)
    ]
    mine, theirs = (ticket.future.result(60) for ticket in tickets)
    assert mine.candidates == theirs.candidates and mine.tree == theirs.tree and mine.rounds == theirs.rounds
    assert told[0] == told[1] != []
    assert tickets[0].ledger is not None and tickets[1].ledger is not None
    assert tickets[0].ledger.generated_tokens == tickets[1].ledger.generated_tokens == mine.ledger.generated_tokens > 0
    assert apart.reader.encode(PROMPT) == here.reader.encode(PROMPT) and apart.reader.context == here.reader.context


def test_what_is_told_comes_before_the_result(apart: ServiceProcess) -> None:
    order = list[str]()
    ticket = apart.submit(PROMPT, "sample", n=1, max_tokens=5, watch=lambda event: order.append(event.kind))
    ticket.future.add_done_callback(lambda future: order.append("over"))
    ticket.future.result(60)
    wait_for(lambda: "over" in order)
    assert order[0] == "fork" and order[-2:] == ["drop", "over"]


def test_errors_come_back_as_what_they_are(apart: ServiceProcess) -> None:
    with pytest.raises(UnknownName, match="did you mean") as unknown:
        apart.submit(PROMPT, "best-of-m").future.result(60)
    assert unknown.value.field == "method" and unknown.value.name == "best-of-m"
    with pytest.raises(BadInput) as wrong:
        apart.submit(PROMPT, "sample", n=0).future.result(60)
    assert wrong.value.field == "n"


def _threads(lm: LM, name: str) -> tuple[str, str]:
    return name, threading.current_thread().name


def _failing(lm: LM) -> None:
    raise BadInput("nothing", "as it should be")


def test_functions_run_on_the_engines_thread(apart: ServiceProcess) -> None:
    assert apart.call(_threads, "who").result(60) == ("who", "ramify-engine")
    with pytest.raises(BadInput, match="nothing: as it should be"):
        apart.call(_failing).result(60)
    with pytest.raises(AttributeError):
        apart.call(lambda lm: None)
    assert apart.pid not in (None, os.getpid())


class Stubborn(Exception):
    """One that pickles, and cannot be read."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("sum is off")


def _stubborn(lm: LM) -> None:
    raise Stubborn(1, 2)


def _unsendable(lm: LM) -> Any:
    return threading.Lock()


class Unreadable:
    """What cannot be read where it arrives."""

    def __reduce__(self) -> Any:
        return _refuse, ()


def _refuse() -> None:
    raise ValueError("not here")


def test_what_cannot_go_through_the_pipe_fails_alone(apart: ServiceProcess) -> None:
    with pytest.raises(RuntimeError, match="sum is off"):
        apart.call(_stubborn).result(60)
    with pytest.raises(RuntimeError, match="cannot be sent"):
        apart.call(_unsendable).result(60)
    with pytest.raises(BadInput, match="not here"):
        apart.call(_threads, Unreadable()).result(60)
    with pytest.raises(BadInput, match="not here"):
        apart.submit(PROMPT, "sample", n=Unreadable()).future.result(60)
    assert apart.call(_threads, "still there").result(60)[0] == "still there"


def test_whoever_fails_to_watch_a_search_ends_it(apart: ServiceProcess) -> None:
    def watch(event: Event) -> None:
        raise OSError("my disk is full")

    ticket = apart.submit(PROMPT, "sample", n=1, max_tokens=400, ignore_eos=True, watch=watch)
    with pytest.raises(OSError, match="my disk is full"):
        ticket.future.result(60)
    wait_for(lambda: idle(apart))


def test_who_cancels_frees_everything(apart: ServiceProcess) -> None:
    seen = threading.Event()
    ticket = apart.submit(
        PROMPT, "sample", n=8, max_tokens=400, ignore_eos=True, watch=lambda event: seen.set(), temperature=1.5
    )
    assert seen.wait(60)
    ticket.cancel()
    with pytest.raises(Cancelled):
        ticket.future.result(60)
    assert ticket.ledger is not None and ticket.ledger.prompt_tokens > 0
    wait_for(lambda: idle(apart))
    ticket.cancel()  # again: nothing


def _held_up(lm: LM, seconds: float) -> None:
    time.sleep(seconds)


def test_more_than_may_wait_are_refused(apart: ServiceProcess) -> None:
    """The engine is held still: what was sent and not begun counts, whatever the other process has said so far."""
    wait_for(lambda: idle(apart))
    held: Future[None] = apart.call(_held_up, 1.5)
    tickets = [apart.submit(PROMPT, "sample", n=1, max_tokens=2) for _ in range(2)]
    with pytest.raises(Overloaded, match="2 searches wait already, 2 may"):
        apart.submit(PROMPT)
    assert not held.done()
    assert [len(ticket.future.result(60).candidates) for ticket in tickets] == [1, 1]


def test_signals_of_a_terminal_are_not_its_end(apart: ServiceProcess) -> None:
    assert apart.pid is not None
    os.kill(apart.pid, signal.SIGINT)
    os.kill(apart.pid, signal.SIGTERM)
    assert apart.submit(PROMPT, "sample", n=1, max_tokens=2).future.result(60).text is not None


def test_what_is_wrong_with_the_model_is_raised_where_the_service_is_made() -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        ServiceProcess(partial(ramify.load, "nowhere/to/be/found"))


def test_nobody_waits_for_a_process_that_died() -> None:
    with ServiceProcess(LOADING) as service:
        ticket = service.submit(PROMPT, "sample", n=2, max_tokens=450, ignore_eos=True)
        assert service.pid is not None
        os.kill(service.pid, signal.SIGKILL)
        with pytest.raises(Closing, match="process has ended"):
            ticket.future.result(60)
        wait_for(lambda: not service.alive)
        for ask in (lambda: service.submit(PROMPT), lambda: service.call(_threads, "x").result(1)):
            with pytest.raises(Closing):
                ask()
    with pytest.raises(Closing):
        service.audit()


def _ending(lm: LM) -> None:
    raise SystemExit


def test_a_process_whose_engine_died_dies() -> None:
    with ServiceProcess(LOADING) as service:
        with pytest.raises(Closing, match="process has ended"):
            service.call(_ending).result(60)
        wait_for(lambda: service.lost)


def test_a_script_that_forgets_to_close_ends_all_the_same(tmp_path: Path) -> None:
    script = tmp_path / "forgetful.py"
    script.write_text(
        "from functools import partial\nimport ramify\nfrom ramify.api import ServiceProcess\n"
        "if __name__ == '__main__':\n"
        "    service = ServiceProcess(partial(ramify.load, 'builtin', kv_gib=0.02))\n"
        "    print(service.pid, flush=True)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=True)
    assert not Path(f"/proc/{int(done.stdout)}").exists()


def test_closing_gives_what_runs_its_time_and_then_ends_it() -> None:
    service = ServiceProcess(LOADING)
    short = service.submit(PROMPT, "sample", n=1, max_tokens=20)
    closing = threading.Thread(target=service.close, args=(30.0,))
    closing.start()
    assert short.future.result(60).candidates
    closing.join(60)
    assert not closing.is_alive() and not service.alive
    assert service.audit() >= 0
