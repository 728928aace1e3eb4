"""Plain sampling: n independent texts, none preferred.

Law: each text is drawn from the model under the prompt's sampling parameters, independently. The first is `best`.
"""

from ramify.core.protocols import Method
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Finish, Fork, Search


def sample(prompt: Prompt, *, n: int = 1) -> Search[Selection]:
    """n independent branches of one prompt."""
    live = yield Fork(prompt, n)
    yield Advance(live, Finish())
    ended = tuple(Ended.of(branch) for branch in live)
    return Selection(ended[0], ended)


METHOD = Method(
    name="sample",
    run=sample,
    summary="n independent texts, the first is the answer",
    paper="-",
    law="the model's own law under the sampling parameters",
    needs="nothing",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method sample -n 3 --show all',
)
