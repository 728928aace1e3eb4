"""Greedy decoding: the likeliest token, every time.

Law: the one-hot law at the largest logit (lowest id on ties), whatever the prompt's temperature says.
"""

from ramify.core.protocols import Method
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Finish, Fork, Search


def greedy(prompt: Prompt) -> Search[Selection]:
    """One branch at temperature 0 (the prompt's other parameters stay)."""
    live = yield Fork(prompt.at_temperature(0.0), 1)
    yield Advance(live, Finish())
    best = Ended.of(live[0])
    return Selection(best, (best,))


METHOD = Method(
    name="greedy",
    run=greedy,
    summary="the likeliest token, every time",
    paper="-",
    law="one-hot at the largest logit",
    needs="nothing",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method greedy',
    size=None,
)
