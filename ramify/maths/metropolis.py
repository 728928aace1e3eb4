"""Metropolis-Hastings over texts: proposals by drawing a suffix again, and what becomes of them.

Metropolis et al. 1953, Hastings 1970.

    y   a state (a finished text)    y'  a proposal    c  tokens kept, uniform in 0 .. |y| - 1

q(y' | y) = sum over c of 1/|y| [y and y' share c tokens] q(y' behind them). Balance holds for every c by itself, as the
c that leads from y to y' leads back: accepting with min(1, target(y') q(y, c | y') / target(y) q(y', c | y)) leaves the
target invariant. 1/|y| and 1/|y'| are part of these.
Departure: an acceptance is rounded to a multiple of 2^-48, so that what is 1 in exact arithmetic is 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ramify.core.errors import BadInput
from ramify.core.strict import whole
from ramify.core.types import Branch, Prompt
from ramify.core.wants import Drop, Fork, Search, Toss, Truncate
from ramify.maths.particles import GRID

MOST_STEPS = 1 << 20


def acceptance(log_ratio: float) -> float:
    """min(1, exp(log_ratio)). NaN (from no mass to no mass) is 1: a chain that stands outside the support walks on."""
    return 1.0 if math.isnan(log_ratio) or log_ratio >= 0.0 else round(math.exp(log_ratio) * GRID) / GRID


def accepted(prompt: Prompt, key: tuple[int, ...], log_ratio: float) -> Search[bool]:
    """Toss for an acceptance."""
    mass = acceptance(log_ratio)
    if mass in (0.0, 1.0):
        return mass == 1.0
    u: float = yield Toss(prompt, key, (mass,))
    return u < mass


def cut_back(prompt: Prompt, key: tuple[int, ...], states: Sequence[Branch]) -> Search[list[Branch]]:
    """A fork of each state that keeps a uniform number of its tokens, 0 to all but one: proposals to be drawn on."""
    proposals = list[Branch]()
    for i, state in enumerate(states):
        size = max(1, state.num_generated)
        u: float = yield Toss(prompt, (*key, i), tuple(c / size for c in range(1, size)))
        proposals += yield Fork(state, 1)
        yield Truncate(proposals[-1], state.num_prompt + min(size - 1, int(u * size)))
    return proposals


def moved(states: Sequence[Branch], proposals: Sequence[Branch], accepts: Sequence[bool]) -> Search[list[Branch]]:
    """Where chains stand after a step; what they left, or did not take, is dropped."""
    pairs = list(zip(states, proposals, accepts, strict=True))
    yield Drop([state if accept else proposal for state, proposal, accept in pairs])
    return [proposal if accept else state for state, proposal, accept in pairs]


def log_fewer_cuts(state: Branch, proposal: Branch) -> float:
    """log |y| - log |y'|: the positions to cut at."""
    return math.log(max(1, state.num_generated)) - math.log(max(1, proposal.num_generated))


@dataclass
class Visits:
    """How often chains stood at each text. The first `burn_in` states of each chain do not count."""

    burn_in: int
    counts: dict[Branch, int] = field(default_factory=dict)

    def count(self, step: int, states: Sequence[Branch]) -> None:
        """Where the chains stand after a step."""
        if step >= self.burn_in:
            for state in states:
                self.counts[state] = self.counts.get(state, 0) + 1

    def weights(self, made: Sequence[Branch]) -> tuple[float, ...] | None:
        """The share of each text; None before anything counted."""
        total = sum(self.counts.values())
        return tuple(self.counts.get(branch, 0) / total for branch in made) if total else None


def checked_steps(steps: int, burn_in: int) -> None:
    """
    Raises:
        BadInput: no whole numbers, below 0, or a burn-in that leaves none of a chain's steps + 1 states.
    """
    whole("steps", steps, 0, MOST_STEPS)
    whole("burn_in", burn_in, 0, MOST_STEPS)
    if burn_in > steps:
        raise BadInput("burn_in", f"{burn_in} of {steps + 1} states leave none; it is at most steps, {steps}")
