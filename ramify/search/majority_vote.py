"""Self-consistency: draw N reasoning paths, answer what most of them answer.

Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in Language Models", ICLR 2023, arXiv:2203.11171.

    N   paths        a_i   the answer read off path i

Law: argmax_a of the number of i with a_i = a among N independent draws; ties go to the answer seen first. Paths
without an answer do not vote. n=1 is plain sampling. No reward is asked.
"""

from ramify.core.protocols import Method, Select
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Finish, Fork, Search


def majority_vote(prompt: Prompt, *, n: int = 16, select: Select) -> Search[Selection]:
    """N branches to their ends, one vote each."""
    live = yield Fork(prompt, n)
    yield Advance(live, Finish())
    a = yield Answers(live)
    ended = tuple(Ended.of(branch, None, a[branch]) for branch in live)
    return Selection(select(ended), ended)


METHOD = Method(
    name="majority-vote",
    run=majority_vote,
    summary="draw n texts, answer what most of them answer (self-consistency)",
    paper="arXiv:2203.11171",
    law="the most frequent answer among n independent draws",
    select="majority",
    needs="answers that can be read off the texts",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method majority-vote -n 16',
)
