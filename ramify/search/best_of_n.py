"""Best-of-N: draw N texts, keep the one the reward likes best.

Stiennon et al., "Learning to summarize from human feedback", NeurIPS 2020, arXiv:2009.01325 (as a baseline there).

    N   candidates

Law: for a reward r, the maximiser of r among N independent draws (the earliest of equals). n=1 is plain sampling.
`select` may choose otherwise among the same scored candidates (weighted-majority: best-of-N weighted by answers).
"""

from ramify.core.protocols import Method, Select
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Finish, Fork, Score, Search


def best_of_n(prompt: Prompt, *, n: int = 16, select: Select) -> Search[Selection]:
    """N branches to their ends, one final score each."""
    live = yield Fork(prompt, n)
    yield Advance(live, Finish())
    r = yield Score(live)
    answers = yield Answers(live)
    ended = tuple(Ended.of(branch, r[branch], answers[branch]) for branch in live)
    return Selection(select(ended), ended)


METHOD = Method(
    name="best-of-n",
    run=best_of_n,
    summary="draw n texts, keep the one of highest reward",
    paper="arXiv:2009.01325",
    law="the reward's maximiser among n independent draws",
    uses_reward=True,
    select="best",
    needs="a reward",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method best-of-n -n 16 --show tree',
)
