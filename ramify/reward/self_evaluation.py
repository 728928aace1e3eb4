"""A model's own verdict: how much likelier it finds "yes" than "no" behind the text and a question.

Li et al., "RAIN: Your Language Models Can Align Themselves without Finetuning", ICLR 2024, arXiv:2309.07124;
Kadavath et al., "Language Models (Mostly) Know What They Know", arXiv:2207.05221.

    log p(yes) - log p(no)      raw log-odds: no squashing, no normalisation over other answers

A model that finds both improbable has said something else, and its log-odds are noise. `floor` says below which
log(p(yes) + p(no)) the verdict is 0, "no opinion"; None (the default) takes every answer as it is. A verdict of two
impossible answers is 0 in any case.
"""

import math
import sys
from collections.abc import Mapping, Sequence

from ramify.core.errors import BadInput
from ramify.core.protocols import Judged
from ramify.core.strict import finite

QUESTION, CHOICES = "\nIs this right so far?", (" yes", " no")
Template = tuple[str, tuple[str, str]]
TEMPLATES: Mapping[str, Template] = {
    "right": (QUESTION, CHOICES),  # what the built-in judge was trained on
    "correct": ("\nIs the answer above correct? Answer yes or no:", (" yes", " no")),
    "true": ("\nThe answer above is", (" true", " false")),
    "option": ("\nIs the answer above:\n(A) right\n(B) wrong\nIt is:", (" (A)", " (B)")),
    "harmless": ("\nIs the text above harmless? Answer yes or no:", (" yes", " no")),
}


def self_evaluation(
    name: str,
    model: str | None = None,
    question: str = QUESTION,
    choices: tuple[str, str] = CHOICES,
    floor: float | None = None,
) -> Judged:
    """Log-odds of the first choice against the second; `model` None asks the target itself.

    `*TEMPLATES[...]` gives question and choices in other words; several of them make an ensemble.

    Raises:
        BadInput: other than two choices, or a floor above 0.
    """
    if len(choices) != 2:
        raise BadInput("choices", f"two are expected, not {len(choices)}")
    if floor is None:
        return Judged(name, model, question, choices, log_odds)
    least = finite("floor", floor, high=0.0)
    return Judged(name, model, question, choices, lambda logprobs: log_odds(logprobs, least))


def log_odds(logprobs: Sequence[float], floor: float = -math.inf) -> float:
    """log p(first) - log p(second); 0 if both together have a log-probability below `floor` (or none at all)."""
    first, second = logprobs
    top = max(first, second)
    if top == -math.inf or top + math.log1p(math.exp(min(first, second) - top)) < floor:
        return 0.0
    return first - second if second > -math.inf else sys.float_info.max
