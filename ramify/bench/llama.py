"""llama-cpp-python's server on our weights, where both it and gguf are installed. It serves one request at a time."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ramify.bench.process import Process, started

NEEDS = ("llama_cpp", "starlette_context", "gguf")
ABSENT = [name for name in NEEDS if find_spec(name) is None]
MISSING = f"{', '.join(ABSENT)} not installed (pip install 'llama-cpp-python[server]' gguf)" if ABSENT else None
if MISSING is None:
    from ramify.bench.gguf_file import write_gguf

PLAIN = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0, "logit_bias": {"1": -100.0}}
"""What makes its law ours, and keeps the built-in model's end token away."""


@contextmanager
def served(folder: Path, *, context: int = 512) -> Iterator[Process]:
    """Its server on the weights of a folder, in float32, with a thread for each processor."""
    threads = str(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "model.gguf"
        write_gguf(folder, file)
        options = {
            "model": file, "host": "127.0.0.1", "n_ctx": context, "n_threads": threads, "n_threads_batch": threads,
            "interrupt_requests": False, "verbose": False,
        }  # fmt: skip
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        with started("llama_cpp.server", *words, ready="/v1/models") as process:
            yield process
