"""Choice Funnel: select all options that apply, one at a time, with labels' own appeal taken out.

Xu et al., "SATA-Bench: Select All That Apply Benchmark for Multiple Choice Questions", arXiv:2506.00643. The prior is
PriDe's: Zheng et al., arXiv:2309.03882.

    m     options                              i      label of the i-th option shown
    P(i)  the model's chance for label i       pi_i   what it gives label i as such, whatever stands there

The debiased mass of a label is P(i) / pi_i, normalised over the labels shown.

Each round shows the options not chosen yet, relabelled from the first label on, and takes the debiased best; from the
second round on "none of these" stands last. It stops when

    abstained    "none of these" is best
    confident    the option just taken had more than `confident` of the debiased mass: nothing else competes
    unlikely     the best option has less than `least` of it (it is not taken)
    exhausted    no option is left

The thresholds are on mass normalised over what is still shown, so they adapt as options leave. At most m rounds of one
next-token law each, against m yes-or-no questions. Departures: `least` (0, never, by default) is ours; `confident`
follows the authors' description (0.9), while their published code stops behind a pick of low confidence.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole
from ramify.maths.aggregation import posterior
from ramify.maths.checks import distribution, numbers, same_length, table

MOST = 1024  # options


@dataclass(frozen=True)
class Offer:
    """What to show next: these options in this order, then "none of these" if `abstain`."""

    options: tuple[int, ...]
    abstain: bool
    chosen: tuple[int, ...]


@dataclass(frozen=True)
class Funnelled:
    """Options in the order they were chosen, the debiased mass each had, and why it stopped."""

    chosen: tuple[int, ...]
    confidence: tuple[float, ...]
    stopped_because: str
    rounds: int


def label_prior(logprobs: Sequence[Sequence[float]]) -> list[float]:
    """What the model gives each label as such, from one question asked under every cyclic order of its m options.

    Row j holds the log-probabilities of the m labels when label i shows option (i + j) mod m. Every option stood at
    every label once, so the mean over rows has the labels' appeal only. Average the result over a few questions.

    Raises:
        BadInput: not m rows of m finite numbers.
    """
    rows = table("logprobs", logprobs)
    same_length("logprobs", rows, len(rows[0]))
    return posterior([math.fsum(column) / len(rows) for column in zip(*rows, strict=True)])


def debiased(logprobs: Sequence[float], prior: Sequence[float]) -> list[float]:
    """The law over the labels shown with their prior divided out; a longer prior is cut to the labels shown.

    Raises:
        BadInput: fewer priors than labels, a prior that is not above 0, or no label with mass.
    """
    shown = numbers("logprobs", logprobs, low=-math.inf)
    pi = numbers("prior", prior, least=len(shown), low=0.0)[: len(shown)]
    if min(pi) <= 0.0:
        raise BadInput("prior", f"label {pi.index(0.0)} has none: it cannot be divided out")
    return posterior([x - math.log(p) for x, p in zip(shown, pi, strict=True)])


def choice_funnel(
    num_options: int, prior: Sequence[float] | None = None, *, confident: float = 0.9, least: float = 0.0
) -> Generator[Offer, Sequence[float], Funnelled]:
    """Yields offers; each is answered by the log-probabilities of the labels it shows, "none of these" last.

    Args:
        num_options: m.
        prior: of labels, at least m of them (`label_prior`); None takes the probabilities as they are.
        confident: stop behind an option of more debiased mass than this; 1 never does.
        least: stop before an option of less debiased mass than this.

    Raises:
        BadInput: no option, a threshold outside [0, 1], a prior that is no law or too short, or an answer of the wrong
            length, with a NaN, or -inf throughout.
    """
    whole("num_options", num_options, 1, MOST)
    finite("confident", confident, 0.0, 1.0)
    finite("least", least, 0.0, 1.0)
    pi = [1.0 / num_options] * num_options if prior is None else distribution("prior", prior)
    if len(pi) < num_options:
        raise BadInput("prior", f"{len(pi)} labels, {num_options} options")
    left, chosen, confidence = list(range(num_options)), list[int](), list[float]()
    reason = "exhausted"
    rounds = 0
    while left:
        offer = Offer(tuple(left), bool(chosen), tuple(chosen))
        answer = yield offer
        rounds += 1
        same_length("logprobs", answer, len(left) + offer.abstain)
        mass = debiased(answer, pi)
        best = max(range(len(mass)), key=mass.__getitem__)
        if best == len(left):
            reason = "abstained"
            break
        if mass[best] < least:
            reason = "unlikely"
            break
        chosen.append(left.pop(best))
        confidence.append(mass[best])
        if mass[best] > confident and left:
            reason = "confident"
            break
    return Funnelled(tuple(chosen), tuple(confidence), reason, rounds)
