"""How many cores an engine computes on while somebody else answers for it.

All threads of a step wait for the slowest. So whoever takes a core for a moment (HTTP, JSON, a client on the same
machine) stops all of them, and a model whose steps are short is served faster if one core is left to others. A model
whose steps are long needs every core.
"""

from random import Random
from time import perf_counter
from typing import Any

import torch

from ramify.api.lm import LM
from ramify.core.strict import whole
from ramify.engine.driver import Driver
from ramify.engine.session import Session

ANSWERING = 4e-3  # seconds that answering takes of a step: 1.5 for the tokens of 8 streams, 2.5 for a new request
STREAMS, ROUNDS = 8, 8
LONGEST = 4 * ROUNDS  # chunks of a prompt


def compute_on(lm: LM, threads: int | None = None) -> int:
    """Let the engine compute on so many threads, on this thread of the interpreter, from now on.

    Args:
        threads: None tries it: one core is left to others if a step that reads a full chunk of a prompt takes at most
            ANSWERING longer without it.

    Returns: how many they are.
    Raises:
        BadInput: they are less than 1.
    """
    if threads is None:
        threads = _tried(lm)
    torch.set_num_threads(whole("threads", threads, 1, 4096))
    return threads


def _tried(lm: LM) -> int:
    most = torch.get_num_threads()
    if most == 1 or lm.device != "cpu":
        return most
    taken: dict[int, list[float]] = {most: [], most - 1: []}
    with ChunkSteps(lm) as steps:
        for _ in range(ROUNDS):
            for threads, seconds in taken.items():
                torch.set_num_threads(threads)
                steps.take()  # the first one finds the others' threads asleep
                seconds.append(steps.take())
            if min(taken[most]) / (most - 1) > 4 * ANSWERING:  # one core less costs more than that, by any measure
                return most
    lost = min(taken[most - 1]) - min(taken[most])  # whoever else was there made steps longer, never shorter
    return most - 1 if lost <= ANSWERING else most


class ChunkSteps:
    """Steps that read a full chunk of a prompt beside running streams, one after another; nothing stays behind."""

    def __init__(self, lm: LM, streams: int = STREAMS) -> None:
        self._lm, self._streams, self._random = lm, streams, Random(0)
        runner = lm.engine.target.runner
        self._most = min(runner.max_positions, runner.num_pages * runner.page_size // 2)
        self._driver = Driver(lm.engine)
        self._prompt: Session | None = None
        self._left = 0

    def __enter__(self) -> "ChunkSteps":
        for seed in range(self._streams):
            self._submit(self._tokens(8), seed, None)
        for _ in range(4):
            self._driver.step()
        return self

    def __exit__(self, *error: object) -> None:
        self._driver.close()
        self._lm.forget_prefixes()

    def take(self) -> float:
        """Seconds of the next one."""
        if self._left < self._driver.chunk:
            while self._prompt is not None and not self._prompt.over:
                self._driver.step()
            self._left = min(self._most - 1, LONGEST * self._driver.chunk)
            self._prompt = self._submit(self._tokens(self._left), 0, 1)
        begin = perf_counter()
        self._driver.step()
        self._left -= self._driver.chunk
        if self._prompt is not None and self._prompt.error is not None:
            raise self._prompt.error
        return perf_counter() - begin

    def _submit(self, tokens: list[int], seed: int, most: int | None) -> Session:
        options: dict[str, Any] = {"n": 1, "ignore_eos": True, "watch": lambda event: None}
        if most is not None:
            options["max_tokens"] = most
        [session] = self._lm.submit(self._driver, [tokens], "sample", seed=seed, **options)
        return session

    def _tokens(self, count: int) -> list[int]:
        """Tokens that nobody has read yet."""
        return [self._random.randrange(2, self._lm.tokenizer.vocab_size) for _ in range(count)]
