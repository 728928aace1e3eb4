"""Choice Funnel: choose every option that applies, one at a time, with the labels' own appeal taken out.

Xu et al., "SATA-Bench: Select All That Apply Benchmark for Multiple Choice Questions", arXiv:2506.00643 (the rounds and
their thresholds are `ramify.maths.funnel`). Priors: PriDe, Zheng et al., arXiv:2309.03882 ("cyclic"); Zhao et al.,
"Calibrate Before Use", arXiv:2102.09690 ("content-free").

    m options, shown behind the labels A, B, ...        P(i)  chance of label i        pi_i  what it has as such

Law: nothing is drawn. Each round takes the option of largest P(i) / pi_i among those left; from the second round on
"none of these" is offered last, and ends the funnel when it wins. `confident` and `least` end it too, on mass
normalised over what is shown.

    content-free   pi from one menu whose question and options are `content_free`
    cyclic         pi from the question itself under m cyclic orders of its options: exact, m times the price
    none           pi equal: the probabilities as they are

Departures: labels are single letters, so at most 25 options. The answer is the chosen options in the order given,
joined by `separator`, put behind the prompt: no token is drawn.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from ramify.core.errors import BadInput, UnknownName
from ramify.core.protocols import Method
from ramify.core.template import filled, listed, with_places
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Answers, Append, Ask, Fork, PromptText, Rephrase, Search, Want
from ramify.maths.aggregation import posterior
from ramify.maths.funnel import Offer, choice_funnel, label_prior

LABELS = ascii_uppercase
TEMPLATE, OPTION, QUESTION, LABEL = "{prompt}\n{options}", "{label}. {option}\n", "Answer:", " {label}"
NONE, FREE = "None of these", "N/A"
PRIORS = ("content-free", "cyclic", "none")


def funnel(
    prompt: Prompt,
    *,
    options: tuple[str, ...] = ("yes", "no"),
    prior: str = "content-free",
    confident: float = 0.9,
    least: float = 0.0,
    template: str = TEMPLATE,
    option: str = OPTION,
    question: str = QUESTION,
    label: str = LABEL,
    content_free: str = FREE,
    separator: str = ", ",
    judge: str | None = None,
) -> Search[Selection]:
    """One branch with the chosen options behind it; the trace has a round an option. `judge` None asks the target.

    Raises:
        UnknownName: no such prior. BadInput: no option, more than 25, a threshold outside [0, 1], a text without its
            places, or an answer longer than the text may be.
    """
    given = listed("options", options)
    if len(given) >= len(LABELS):
        raise BadInput("options", f"{len(given)} options, at most {len(LABELS) - 1} have a label")
    if prior not in PRIORS:
        raise UnknownName("prior", prior, PRIORS)
    with_places("template", template, "options")
    with_places("option", option, "label", "option")
    with_places("label", label, "label")
    menus = _Menus(prompt, (yield PromptText(prompt)), template, option, question, label, judge)
    rounds = choice_funnel(
        len(given), (yield from _prior(menus, given, prior, content_free)), confident=confident, least=least
    )
    chosen = yield from _play(menus, given, rounds)
    (branch,) = yield Fork(prompt, 1)
    if chosen.chosen:
        yield Append(branch, separator.join(given[i] for i in sorted(chosen.chosen)))
    a = yield Answers([branch])
    best = Ended.of(branch, None, a[branch])
    trace = [{"option": given[i], "mass": m} for i, m in zip(chosen.chosen, chosen.confidence, strict=True)]
    return Selection(best, (best,), (*trace, {"stopped_because": chosen.stopped_because, "rounds": chosen.rounds}))


@dataclass(frozen=True)
class _Menus:
    """Asks for the labels of a menu."""

    prompt: Prompt
    text: str
    template: str
    option: str
    question: str
    label: str
    judge: str | None

    def ask(self, shown: Sequence[Sequence[str]], text: str | None = None) -> Generator[Want, Any, list[list[float]]]:
        """Log-probabilities of the labels of each menu, a list of options each; all have as many."""
        stem = self.text if text is None else text
        blocks = ["".join(self._line(i, each) for i, each in enumerate(menu)) for menu in shown]
        sources = yield Rephrase(self.prompt, [filled(self.template, prompt=stem, options=each) for each in blocks])
        labels = [filled(self.label, label=LABELS[i]) for i in range(len(shown[0]))]
        answers: list[list[float]] = yield Ask(sources, self.question, labels, self.judge)
        return answers

    def _line(self, i: int, option: str) -> str:
        return filled(self.option, label=LABELS[i], option=option)


def _prior(menus: _Menus, given: Sequence[str], kind: str, free: str) -> Generator[Want, Any, list[float] | None]:
    m = len(given)
    if kind == "none" or m == 1:
        return None
    if kind == "content-free":
        (row,) = yield from menus.ask([[free] * m], free)
        return posterior(row)
    orders = [[given[(i + j) % m] for i in range(m)] for j in range(m)]
    return label_prior((yield from menus.ask(orders)))


def _play(
    menus: _Menus, given: Sequence[str], rounds: Generator[Offer, Sequence[float], Any]
) -> Generator[Want, Any, Any]:
    offer = next(rounds)
    while True:
        (row,) = yield from menus.ask([[*(given[i] for i in offer.options), *([NONE] if offer.abstain else [])]])
        try:
            offer = rounds.send(row)
        except StopIteration as end:
            return end.value


METHOD = Method(
    name="choice-funnel",
    run=funnel,
    summary="choose all options that apply, one at a time, debiased, until none of the rest does",
    paper="arXiv:2506.00643",
    law="the options of largest debiased mass, until a threshold or 'none of these'; nothing is drawn",
    needs="options to choose among",
    example='ramify run "Which of these are even?" --method choice-funnel --set \'options=["4", "7", "10"]\'',
    models=("judge",),
    size=None,
)
