"""Against a server that is not ours: llama-cpp-python's, on the built-in target as a GGUF file.

It has no token ids, no n, no usage in streams, one text at a time; a new request breaks a running stream off; and where
a request says nothing it samples with top_k=40, min_p=0.05 and a repetition penalty.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any

import httpx
import pytest

import ramify
from ramify.api import BUILTIN_MODELS, problems
from ramify.api.remote import Remote
from tests.remote.six import PROBLEM, search, six_searches

if find_spec("llama_cpp") is None or find_spec("starlette_context") is None:
    pytest.skip("needs another server: pip install 'llama-cpp-python[server]' gguf", allow_module_level=True)
exported = pytest.importorskip("ramify.bench.gguf_file", reason="gguf is not installed", exc_type=ImportError)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server, as a process of its own on a free port."""
    file = tmp_path_factory.mktemp("gguf") / "target.gguf"
    exported.write_gguf(Path(BUILTIN_MODELS["target"]), file)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = [sys.executable, "-m", "llama_cpp.server", "--model", str(file), "--port", str(port), "--n_ctx", "512"]
    call += ["--host", "127.0.0.1", "--n_threads", "1", "--n_threads_batch", "1", "--model_alias", "target"]
    log = (file.parent / "log").open("w+")
    process = subprocess.Popen(call, stdout=log, stderr=log, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    try:
        _wait(f"http://127.0.0.1:{port}/v1/models", process, file.parent / "log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        log.close()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def server(address: str) -> Iterator[Remote]:
    with ramify.connect(address) as remote:
        yield remote


def test_what_it_can_do(server: Remote) -> None:
    able = server.capabilities
    assert able.kind == "llama-cpp-python" and able.model == "target"
    assert able.completions and able.streams and able.seeds and able.varied and able.logprobs
    assert not able.ids and able.choices == 1 and not able.stream_usage
    assert able.fields["repetition_penalty"] == "repeat_penalty"


@six_searches
def test_the_six_searches(server: Remote, method: str, options: dict[str, Any]) -> None:
    first = search(server, method, options)
    again = search(server, method, options)
    assert [c.text for c in again.candidates] == [c.text for c in first.candidates]  # it honours seeds
    other = search(server, method, options, seed=4)
    assert [c.text for c in other.candidates] != [c.text for c in first.candidates]


def test_greedy_texts_are_those_of_the_same_weights_here(server: Remote) -> None:
    prompts = [problem.prompt for problem in problems(4, 1)]
    here = [result.text for result in ramify.load().search_many(prompts, "greedy", max_tokens=60)]
    there = [result.text for result in server.search_many(prompts, "greedy", max_tokens=60)]
    assert there == here


def test_its_own_defaults_do_not_shape_the_law(server: Remote, address: str) -> None:
    """At temperature 2 unlikely tokens come; a request that leaves top_k and min_p to the server never has them."""
    said = server.search(PROBLEM, n=6, temperature=2.0, max_tokens=30, logprobs=0, seed=1)
    ours = [entry.logprob for candidate in said.candidates for entry in candidate.logprobs]
    careless = list[float]()
    for seed in range(6):
        body = {"model": "target", "prompt": PROBLEM, "temperature": 2.0, "max_tokens": 30, "logprobs": 1, "seed": seed}
        [choice] = httpx.post(f"{address}/completions", json=body, timeout=60).json()["choices"]
        careless += choice["logprobs"]["token_logprobs"]
    assert mean(ours) < mean(careless) - 0.5


def test_scores_by_its_log_probabilities(server: Remote) -> None:
    result = server.search(PROBLEM, "best-of-n", n=3, reward="logprob", max_tokens=40, seed=1)
    for candidate in result.candidates:
        assert candidate.score == pytest.approx(sum(e.logprob for e in candidate.logprobs) / len(candidate.logprobs))
        assert all(entry.logprob <= 0 for entry in candidate.logprobs)
