"""A model's own verdict: how much likelier it finds "yes" than "no" behind the text and a question.

Li et al., "RAIN: Your Language Models Can Align Themselves without Finetuning", ICLR 2024, arXiv:2309.07124;
Kadavath et al., "Language Models (Mostly) Know What They Know", arXiv:2207.05221.

log p(yes) - log p(no): raw log-odds. A model that finds both improbable says little by it.
"""

from collections.abc import Sequence

from ramify.core.protocols import Judged

QUESTION, CHOICES = "\nIs this right so far?", (" yes", " no")


def self_evaluation(
    name: str, model: str | None = None, question: str = QUESTION, choices: tuple[str, str] = CHOICES
) -> Judged:
    """Log-odds of the first choice against the second; `model` None asks the target itself."""
    return Judged(name, model, question, choices, log_odds)


def log_odds(logprobs: Sequence[float]) -> float:
    """log p(first) - log p(second)."""
    return logprobs[0] - logprobs[1]
