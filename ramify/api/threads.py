"""How many cores an engine computes on while somebody else answers for it, tried or given, and warming up on them.

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
from ramify.engine.decoder_runner import DecoderRunner
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


def warm_up(lm: LM, seconds: float = 2.0) -> None:
    """Compile what steps of all sizes need, on this thread, so that they do not wait for it.

    Args:
        seconds: for each model; sizes that it does not come to are compiled when they are met.
    """
    if (steps := ChunkSteps(lm)).fit:
        with steps:
            steps.take()
    for model in lm.engine.models:
        if isinstance(model.runner, DecoderRunner):
            model.runner.warm_up(lm.engine.row_budget, seconds)


def _tried(lm: LM) -> int:
    most = torch.get_num_threads()
    if most == 1 or lm.device != "cpu" or not (steps := ChunkSteps(lm)).fit:
        return most
    taken: dict[int, list[float]] = {most: [], most - 1: []}
    with steps:
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
    """Steps that read a full chunk of a prompt beside running streams, one after another; nothing stays behind.

    Half of the pages are the prompt's, half the streams'. They must be `fit`: some prompts are read in pieces.
    """

    def __init__(self, lm: LM, streams: int = STREAMS) -> None:
        self._lm, self._count, self._random = lm, streams, Random(0)
        runner, self._driver = lm.engine.target.runner, Driver(lm.engine)
        half = runner.num_pages * runner.page_size // 2
        self._prompt_room = min(runner.max_positions, half)
        self._stream_room = min(runner.max_positions, half // streams)
        self._streams, self._prompt = list[Session](), list[Session]()
        self._tokens, self._steps = 0, 0  # of the prompt that are not read; until the streams end

    @property
    def fit(self) -> bool:
        """Whether there is room for prompts that are longer than a chunk."""
        return self._prompt_room > self._driver.chunk

    def __enter__(self) -> "ChunkSteps":
        self._begin()
        return self

    def __exit__(self, *error: object) -> None:
        self._driver.close()
        self._lm.forget_prefixes()

    def take(self) -> float:
        """Seconds of the next one."""
        if self._tokens < self._driver.chunk:
            self._begin()
        begin = perf_counter()
        self._step()
        self._tokens -= self._driver.chunk
        return perf_counter() - begin

    def _begin(self) -> None:
        """Submit the next prompt, and new streams where those that run would not last until it is read."""
        self._end(self._prompt)
        self._tokens = min(self._prompt_room - 1, LONGEST * self._driver.chunk)
        if self._steps <= self._tokens // self._driver.chunk + 1:
            self._end(self._streams)
            self._steps = max(1, self._stream_room - 8)
            self._streams = [self._submit(8, seed, self._steps) for seed in range(self._count)]
            for _ in range(4):
                self._step()
        self._prompt = [self._submit(self._tokens, 0, 1)]

    def _end(self, sessions: list[Session]) -> None:
        while not all(session.over for session in sessions):
            self._step()
        for session in sessions:
            if session.error is not None:
                raise session.error

    def _step(self) -> None:
        self._driver.step()
        self._steps -= 1

    def _submit(self, tokens: int, seed: int, most: int) -> Session:
        prompt = [self._random.randrange(2, self._lm.tokenizer.vocab_size) for _ in range(tokens)]  # nobody read it yet
        options: dict[str, Any] = {"n": 1, "ignore_eos": True, "max_tokens": most, "watch": lambda event: None}
        [session] = self._lm.submit(self._driver, [prompt], "sample", seed=seed, **options)
        return session
