"""What sequential Monte Carlo over texts keeps: particles with the steps they came by, their weights, their copies.

A particle's target after step t is p(y_1..t) exp(r_t / beta), r_t the score of the text so far and r_0 = 0. The
incremental weights exp((r_t - r_t-1) / beta) telescope: a finished text has exp(r(y) / beta), whatever its partial
scores were. What has been paid out at a resampling (as a factor of the evidence) is `paid`, so a weight is
exp((r_t - paid) / beta).

A partial score of -inf ends its particle; it must mean that every continuation has the final score -inf, too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ramify.core.errors import UnknownName
from ramify.core.strict import whole
from ramify.core.types import Branch, Prompt
from ramify.core.wants import Drop, Fork, Marker, Search, Tokens, Toss, Truncate, Unpaid, Until
from ramify.maths.particles import Resampling, effective_sample_size
from ramify.maths.posterior import log_tilt

GRANULARITIES = ("step", "block", "token")
ROUNDING = 1e-9  # equal weights may come to a little less than N effective particles


def steps_by(granularity: str, marker: str, block: int) -> Until:
    """How far a particle goes in one step: to the next marker, `block` tokens, or one.

    Raises:
        UnknownName: another granularity. BadInput: an empty marker, a block below 1.
    """
    if granularity not in GRANULARITIES:
        raise UnknownName("granularity", granularity, GRANULARITIES)
    whole("block", block, 1, 1 << 20)
    until = Marker(marker)
    return until if granularity == "step" else Tokens(block if granularity == "block" else 1)


@dataclass(eq=False)
class Particle:
    """A branch with the lengths and scores that it had after each of its steps; `unpaid` where the last of these
    scores is one that the budget did not pay for."""

    branch: Branch
    steps: list[tuple[int, float]] = field(default_factory=list)
    paid: float = 0.0
    unpaid: bool = False

    @property
    def score(self) -> float:
        """The latest; r_0 = 0 before the first step."""
        return self.steps[-1][1] if self.steps else 0.0

    @property
    def live(self) -> bool:
        """Whether it has steps to go."""
        return not self.branch.done

    def note(self, scores: Mapping[Branch, float]) -> None:
        """A step was made and scored."""
        self.steps.append((len(self.branch.tokens), scores[self.branch]))
        self.unpaid = isinstance(scores, Unpaid)

    def logweight(self, beta: float) -> float:
        """Since the last resampling."""
        return log_tilt(self.score - self.paid, beta)


def is_uneven(logweights: Sequence[float], threshold: float) -> bool:
    """Whether fewer than `threshold` of the particles are effective. Equal weights never are."""
    return effective_sample_size(logweights) < threshold * len(logweights) - ROUNDING


def was_cut(particles: Sequence[Particle]) -> bool:
    """Whether the budget ended one of them, or did not pay for its score: they stand for no law any more."""
    return any(p.unpaid or p.branch.finish == "budget" for p in particles)


def is_extinct(logweights: Sequence[float]) -> bool:
    """Whether nobody has weight."""
    return max(logweights) == -math.inf


def ancestors(prompt: Prompt, key: tuple[int, ...], plan: Resampling) -> Search[list[int]]:
    """Toss for a resampling."""
    uniforms = []
    for i, cuts in enumerate(plan.cuts):
        uniforms.append((yield Toss(prompt, (*key, i), cuts)))
    return plan.ancestors(uniforms)


def multiplied(particles: Sequence[Particle], ancestors: Sequence[int]) -> Search[list[Particle]]:
    """Each particle as often as it is an ancestor: itself once, then forks, whose randomness is their own. Who is none
    is dropped at once."""
    kept = list[Particle]()
    yield Drop([p.branch for i, p in enumerate(particles) if i not in ancestors])
    for i, particle in enumerate(particles):
        if count := ancestors.count(i):
            forks = (yield Fork(particle.branch, count - 1)) if count > 1 else []
            twins = [Particle(branch, particle.steps.copy()) for branch in forks]
            kept += [replace(twin, paid=particle.score) for twin in (particle, *twins)]
    return kept


def copies_at(particle: Particle, step: int, count: int) -> Search[list[Particle]]:
    """Forks of a particle as it was after `step` of its steps (as it is, if it made no more); it stays as it is."""
    steps = particle.steps[:step]
    forks: list[Branch] = (yield Fork(particle.branch, count)) if count else []
    for branch in forks:
        yield Truncate(branch, steps[-1][0])
    return [Particle(branch, steps.copy(), steps[-1][1]) for branch in forks]
