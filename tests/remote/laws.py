"""The exact law of a search against a server: every path of the server's draws and of the search's tosses."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Any

from ramify.core.protocols import AnyReward
from ramify.core.registry import lookup
from ramify.core.sampling import Sampling
from ramify.core.types import Budget, Prompt, Selection
from ramify.remote.capabilities import Capabilities
from ramify.remote.driver import Run
from ramify.remote.requests import Source
from ramify.remote.server import Server
from ramify.reward.checker import Checker
from ramify.toy.enumerate import Tape, outcomes
from ramify.verify.toys import PROMPT, TARGET, last_letter
from tests.remote.fakes import Direct, ToyServer

ON_IDS = Capabilities(model="toy", ids=True, logprobs=True, context=64, choices=1)
ON_TEXT = replace(ON_IDS, ids=False, context=None)
Wanted = Callable[[Run, Selection], Hashable]


def letters(prompt: str, text: str) -> float:
    """A reward of texts, not symmetric in anything."""
    return 0.7 * text.count("b") - 0.3 * len(text) + 0.2 * text.startswith("a")


LETTERS = Checker(letters, name="letters")


def run_once(
    method: str,
    able: Capabilities,
    toy: ToyServer,
    *,
    sampling: Sampling,
    seed: int = 0,
    reward: AnyReward | None = LETTERS,
    budget: Budget | None = None,
    toss: Any = None,
    **options: Any,
) -> tuple[Run, Selection]:
    """One run without HTTP."""
    entry = lookup("method", method)
    if entry.select is not None:
        options["select"] = lookup("select", options.get("select", entry.select))
    tossed = {} if toss is None else {"toss": toss}
    run = Run(Server(Direct(toy), able), reward=reward, budget=budget, extract=last_letter, **tossed)
    text = toy.codec.decode(PROMPT)
    tokens = PROMPT if able.ids else run.know(Source("text", text))
    selection = asyncio.run(run.run(entry.run(Prompt(tokens, sampling, seed, text=text), **options)))
    return run, selection


def remote_law(
    method: str, able: Capabilities, read: Wanted, sampling: Sampling, *, most: int = 200_000, **options: Any
) -> dict[Hashable, float]:
    """The exact law of what `read` makes of a run; `options` are the method's, `ToyServer`'s in `server`."""
    switches = options.pop("server", {})

    def once(tape: Tape) -> Hashable:
        def choose(masses: Any, seed: int, position: int) -> int:
            return tape.choose(masses)

        toy = ToyServer(model=TARGET, choose=choose, **switches)
        return read(*run_once(method, able, toy, sampling=sampling, toss=tape.toss, **options))

    return outcomes(once, most)


def texts(run: Run, selection: Selection) -> Hashable:
    """Every candidate's text, with its score and weight, which was chosen, the evidence, and the number of steps."""
    ended = [(run.text_of(e.branch), _rounded(e.score), e.stopped_because) for e in selection.ended]
    weights = tuple(_rounded(weight) for weight in selection.weights or ())
    chosen = selection.ended.index(selection.best)
    return tuple(ended), weights, chosen, _rounded(selection.log_evidence), len(selection.rounds)


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 9)
