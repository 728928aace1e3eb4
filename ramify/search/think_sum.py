"""ThinkSum: ask the model many small likelihoods side by side, then reason about them outside of it.

Ozturkler et al., "ThinkSum: Probabilistic reasoning over sets using large language models", arXiv:2210.01293 (the sums
are `ramify.maths.aggregation`).

    c   candidate answers (`choices`)        f   facts: phrases whose likelihood tells candidates apart

    log p(f | c)   of each fact behind the premise, a text that holds the candidate

Law: nothing is drawn. The answer is the candidate of highest aggregate over the facts (the earliest of equals):

    product   sum_f log p(f|c)                     all facts hold
    mixture   log mean_f p(f|c)                    any of them does
    ratio     sum_f log p(f|c) - log p(f)          what the candidate adds; p(f) is behind `baseline`. Ranks as the
                                                   product does, on the scale of a change of log-odds

`prior` adds log p(c) behind the prompt, which makes the product Bayes' rule. Without facts log p(c) is all there is.
One fact makes product and mixture alike.
Departure: candidates and facts are the caller's texts; the paper lets the model write some of them.
"""

from collections.abc import Sequence

from ramify.core.errors import BadInput, UnknownName
from ramify.core.protocols import Method
from ramify.core.template import filled, listed, with_places
from ramify.core.types import Ended, Prompt, Selection, best_of
from ramify.core.wants import Answers, Append, Ask, Fork, PromptText, Rephrase, Search
from ramify.maths.aggregation import mixture, product, ratio

AGGREGATORS = ("product", "mixture", "ratio")


def think_sum(
    prompt: Prompt,
    *,
    choices: tuple[str, ...] = (" yes", " no"),
    facts: tuple[str, ...] = (),
    aggregator: str = "product",
    premise: str = "{prompt}{choice}",
    baseline: str = "{prompt}",
    prior: bool = False,
    judge: str | None = None,
) -> Search[Selection]:
    """A branch a choice, with the choice behind it and its aggregate as score; `judge` is asked (None: the target).

    Raises:
        UnknownName: no such aggregator. BadInput: no choice, an empty text, a premise without {choice}, a ratio without
            facts, or a choice longer than the text may be.
    """
    candidates, phrases = listed("choices", choices), listed("facts", facts, least=0)
    with_places("premise", premise, "choice")
    if aggregator not in AGGREGATORS:
        raise UnknownName("aggregator", aggregator, AGGREGATORS)
    if aggregator == "ratio" and not phrases:
        raise BadInput("facts", "none given, and a ratio is of what facts say with and without the candidate")
    live = yield Fork(prompt, len(candidates))
    scores = [0.0] * len(candidates)
    if phrases:
        scores = yield from _aggregate(prompt, candidates, phrases, aggregator, premise, baseline, judge)
    if prior or not phrases:
        (own,) = yield Ask(live[:1], "", candidates, judge)
        scores = [score + mass for score, mass in zip(scores, own, strict=True)]
    for branch, choice in zip(live, candidates, strict=True):
        yield Append(branch, choice)
    answers = yield Answers(live)
    ended = tuple(Ended.of(branch, score, answers[branch]) for branch, score in zip(live, scores, strict=True))
    return Selection(best_of(ended), ended)


def _aggregate(
    prompt: Prompt,
    candidates: Sequence[str],
    facts: Sequence[str],
    aggregator: str,
    premise: str,
    baseline: str,
    judge: str | None,
) -> Search[list[float]]:
    stem = yield PromptText(prompt)
    texts = [filled(premise, prompt=stem, choice=choice) for choice in candidates]
    without = [filled(baseline, prompt=stem)] if aggregator == "ratio" else []
    behind = yield Rephrase(prompt, [*texts, *without])
    rows = yield Ask(behind, "", facts, judge)
    loglik_FC = [list(column) for column in zip(*rows[: len(candidates)], strict=True)]
    if aggregator == "ratio":
        return ratio(loglik_FC, rows[-1])
    return product(loglik_FC) if aggregator == "product" else mixture(loglik_FC)


METHOD = Method(
    name="think-sum",
    run=think_sum,
    summary="choose among given answers by summing likelihoods of facts outside the model",
    paper="arXiv:2210.01293",
    law="the candidate of highest aggregated likelihood; nothing is drawn",
    needs="answers to choose among (choices)",
    example='ramify run "Compute 7 * 8." --method think-sum --set \'choices=["\\n7 * 8 = 54", "\\n7 * 8 = 56"]\'',
    models=("judge",),
    size=None,
)
