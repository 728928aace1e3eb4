"""Particle Gibbs: particle filters in a row, each with one text retained from the last.

Andrieu, Doucet, Holenstein, "Particle Markov chain Monte Carlo methods", Journal of the Royal Statistical Society B 72,
2010 (conditional sequential Monte Carlo); for scaling inference in Puri et al., arXiv:2502.01618.

    x_i   particles, n of them       x*    the retained one, which is the last of the n
    r_t   score after step t         w_i   weights       a_j   ancestor of particle j

Target: p(y) exp(r(y) / beta), the same as the particle filter's. Law: it is invariant under a sweep (retain a draw from
it, filter with it, draw by the final weights: that is a draw from it). So the texts of late sweeps are from the target,
however few the particles; `weights` are those of the sweeps, each sweep counting alike (the first `burn_in` of them
not). `log_evidence` is the first sweep's, which retains nothing: it is unbiased.
sweeps=1 is the particle filter with multinomial resampling; flat rewards are plain sampling.
The retained text is not drawn again: at a resampling its copies are forks of it, cut back to the end of their step, and
its scores are those that it had in the sweep that made it. Nothing is read twice.
Departure: partial scores telescope, as in the particle filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.strict import finite, whole
from ramify.core.types import Branch, Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Drop, Fork, Score, Search, Until
from ramify.maths.particles import effective_sample_size, log_mean_exp, multinomial, normalised
from ramify.maths.posterior import checked_choice, chosen, drawn, log_tilt
from ramify.maths.smc import (
    Particle,
    ancestors,
    copies_at,
    is_extinct,
    is_uneven,
    multiplied,
    steps_by,
    was_cut,
)

RESAMPLE, RETAIN, CHOOSE = 0, 1, 2  # what is tossed for


@dataclass(frozen=True)
class Setting:
    """What does not change from sweep to sweep."""

    n: int
    beta: float
    ess_threshold: float
    until: Until


@dataclass
class Swept:
    """A sweep's texts, the retained one last, their log-weights, and the evidence paid out at resamplings."""

    x: list[Particle]
    logw: list[float]
    log_evidence: float
    resampled: int = 0

    @property
    def sound(self) -> bool:
        """Whether it has weights."""
        return not was_cut(self.x) and not is_extinct(self.logw)


def particle_gibbs(
    prompt: Prompt,
    *,
    n: int = 8,
    sweeps: int = 4,
    beta: float = 1.0,
    ess_threshold: float = 0.5,
    granularity: str = "step",
    marker: str = "\n",
    block: int = 16,
    burn_in: int = 0,
    choose: str = "vote",
) -> Search[Selection]:
    """Filter; retain a text drawn by the weights; filter beside it; and so on.

    Args:
        n: particles of a sweep, the retained one among them; 2 at least where there is more than one sweep.
        burn_in: first sweeps that do not count in the weights.
        beta, ess_threshold, granularity, marker, block, choose: as in the particle filter.
    """
    setting = _checked(n, sweeps, beta, ess_threshold, burn_in, steps_by(granularity, marker, block))
    checked_choice(choose)
    source = replace(prompt, bookmarks=True)
    star, done, score, mass = None, list[Swept](), dict[Branch, float](), dict[Branch, float]()
    for k in range(sweeps):
        done.append((yield from conditional_filter(source, setting, k, star)))
        x = done[-1].x
        score |= {p.branch: p.score for p in x}
        if not done[-1].sound:
            break
        w = normalised(done[-1].logw)
        if k >= burn_in:
            for p, w_i in zip(x, w, strict=True):
                mass[p.branch] = mass.get(p.branch, 0.0) + w_i
        if k + 1 < sweeps:
            star = x[(yield from drawn(prompt, (RETAIN, k), w))]
            yield Drop([p.branch for p in x if p is not star])
    return (yield from _selection(prompt, done, score, mass, choose))


def conditional_filter(source: Prompt, setting: Setting, k: int, star: Particle | None) -> Search[Swept]:
    """Sweep k: a particle filter in which the retained text survives every resampling, and may be copied at it."""
    x = [Particle(branch) for branch in (yield Fork(source, setting.n - (star is not None)))]
    known, t, paid = (star.steps if star else []), 0, 0.0
    swept = Swept(x, [0.0] * setting.n, 0.0)
    while t < len(known) or any(p.live for p in x):
        t += 1
        live = [p.branch for p in x if p.live]
        yield Advance(live, setting.until)
        r = (yield Score(live)) if live else {}
        for p in x:
            if p.branch in r:
                p.note(r)
        logw = [p.logweight(setting.beta) for p in x] + [
            log_tilt(r_t - paid, setting.beta) for _, r_t in known[:t][-1:]
        ]
        swept.logw = logw
        if not swept.sound:
            break
        if (t < len(known) or any(p.live for p in x)) and is_uneven(logw, setting.ess_threshold):
            swept.log_evidence += log_mean_exp(logw)
            a = yield from ancestors(source, (RESAMPLE, k, t), multinomial(normalised(logw), len(x)))
            again = (yield from copies_at(star, t, a.count(len(x)))) if star else []
            x = (yield from multiplied(x, a)) + again
            paid = known[:t][-1][1] if known else paid
            swept.x, swept.logw, swept.resampled = x, [0.0] * setting.n, swept.resampled + 1
    swept.x = [*x, star] if star else x
    return swept


def _selection(
    prompt: Prompt, done: Sequence[Swept], score: dict[Branch, float], mass: dict[Branch, float], choose: str
) -> Search[Selection]:
    answers = yield Answers(list(score))
    ended = tuple(Ended.of(branch, r, answers[branch]) for branch, r in score.items())
    total = sum(mass.values())
    weights = tuple(mass.get(branch, 0.0) / total for branch in score) if mass else None
    first = done[0]
    evidence = None if was_cut(first.x) else first.log_evidence + log_mean_exp(first.logw)
    rounds: list[dict[str, Any]] = [
        {"resampled": s.resampled, "ess": effective_sample_size(s.logw) if s.sound else 0.0} for s in done
    ]
    best = yield from chosen(prompt, ended, weights, choose, (CHOOSE,))
    return Selection(best, ended, tuple(rounds), weights, evidence)


def _checked(n: int, sweeps: int, beta: float, ess_threshold: float, burn_in: int, until: Until) -> Setting:
    whole("sweeps", sweeps, 1, 1 << 20)
    if whole("n", n, 1, 1 << 24) == 1 < sweeps:
        raise BadInput("n", "1 particle is the retained one alone, which never changes; 2 at least, or sweeps=1")
    if finite("beta", beta, 0.0) == 0.0:
        raise BadInput("beta", "it divides rewards; it must be above 0")
    finite("ess_threshold", ess_threshold, 0.0, 1.0)
    whole("burn_in", burn_in, 0, sweeps - 1)
    return Setting(n, beta, ess_threshold, until)


METHOD = Method(
    name="particle-gibbs",
    run=particle_gibbs,
    summary="particle filters in a row, each beside a text retained from the last",
    paper="arXiv:2502.01618",
    law="p(y) exp(r(y)/beta) is invariant under a sweep; the first sweep's evidence is unbiased",
    uses_reward=True,
    needs="a reward of partial texts (a process reward)",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method particle-gibbs --reward builtin-prm -n 4 --set sweeps=3',
    size="sweeps",
)
