"""Speculative Rejection: best-of-N that stops paying for hopeless candidates early.

Sun et al., "Fast Best-of-N Decoding via Speculative Rejection", NeurIPS 2024, arXiv:2410.20290.

    b      candidates alive            tau    tokens each grew by until the pages were full
    s      reward of a partial text    alpha  fraction rejected at each cut

Target: the candidate of highest final reward. A search, not a sampler: right only as far as partial rewards rank
final ones. alpha=0 rejects nobody and is best-of-N, choice for choice; n=1 is plain sampling.
Departures: a finished candidate is already paid for, so it is never cut; the survivors keep their pages, nothing is
read twice; where a cut freed no page (siblings share most of them), the next cut follows at once, and where nobody is
left to cut (alpha=0), the live go on past the budget and the driver finds the memory.
"""

from collections.abc import Sequence
from math import ceil

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.strict import finite
from ramify.core.types import Branch, Ended, Prompt, Selection, best_of
from ramify.core.wants import Advance, Drop, Finish, Fork, Room, Score, Search

ROUNDING = 1e-9  # (1 - 0.7) * 10 is a little more than 3


def speculative_rejection(prompt: Prompt, *, n: int = 64, alpha: float = 0.5) -> Search[Selection]:
    """Fill the pages, score, reject the worst alpha, go on with the rest.

    Raises:
        BadInput: alpha is not in [0, 1).
    """
    if finite("alpha", alpha, 0.0, 1.0) == 1.0:
        raise BadInput("alpha", "1 rejects everybody; it is in [0, 1)")
    live = yield Fork(prompt, n)
    ended: list[Ended] = []
    rounds: list[dict[str, float]] = []
    while live:
        tau = yield Advance(live, Room())
        if not tau and _num_kept(len(live), alpha) == len(live):
            tau = yield Advance(live, Finish())
        s = yield Score(live)
        kept = _survivors(live, s, alpha)
        rounds.append({"tau": tau, "b": len(live), "cut": min(s[c] for c in kept)})

        ended += [Ended.of(c, s[c]) for c in live if c.done]
        ended += [Ended(c, s[c], stopped_because="rejected") for c in live if not c.done and c not in kept]
        survivors = [c for c in live if c in kept and not c.done]
        yield Drop(set(live) - set(survivors))
        live = survivors
    finished = [e for e in ended if e.stopped_because != "rejected"]
    return Selection(best_of(sorted(finished, key=lambda e: e.branch.id)), tuple(ended), tuple(rounds))


def _survivors(live: Sequence[Branch], s: dict[Branch, float], alpha: float) -> set[Branch]:
    ranked = sorted(live, key=s.__getitem__, reverse=True)
    return set(ranked[: _num_kept(len(live), alpha)])


def _num_kept(b: int, alpha: float) -> int:
    return max(1, ceil((1 - alpha) * b - ROUNDING))


METHOD = Method(
    name="speculative-rejection",
    run=speculative_rejection,
    summary="best-of-n that rejects hopeless candidates while they are short",
    paper="arXiv:2410.20290",
    law="a search for the reward's maximiser; alpha=0 is best-of-n",
    uses_reward=True,
    uses_room=True,
    needs="a reward that ranks unfinished texts",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method speculative-rejection -n 32 --budget-pages 40',
)
