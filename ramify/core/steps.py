"""What searches over steps share: who goes on, how often, from where, and which candidate is returned in the end.

A prefix that is kept goes on itself, beside forks of it, so that a search that keeps everybody draws what plain
sampling draws, token for token.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ramify.core.protocols import Select
from ramify.core.strict import whole
from ramify.core.types import Branch, Continuation, Ended, Selection, best_of
from ramify.core.wants import Advance, Answers, Drop, Extend, Fork, Likeliest, Score, Search, Truncate, Until

Way = tuple[float, Branch, Continuation]  # a score, a branch, and one token more
MOST = 1 << 20  # what an option that counts may be at most


def counts(**options: int) -> None:
    """Refuse options that are no whole numbers from 1 on.

    Raises:
        BadInput: naming the option.
    """
    for name, value in options.items():
        whole(name, value, 1, MOST)


def shares(total: int, parts: int) -> list[int]:
    """`total` in `parts` as even as can be, the first ones larger."""
    return [total // parts + (i < total % parts) for i in range(parts)]


def multiplied(kept: Sequence[tuple[Branch, int]]) -> Search[list[Branch]]:
    """Each prefix as many times as it says: itself, and forks of it behind it."""
    live = list[Branch]()
    for prefix, times in kept:
        live.append(prefix)
        if times > 1:
            live += yield Fork(prefix, times - 1)
    return live


def rewound(branch: Branch, length: int, n: int = 1, temperature: float | None = None) -> Search[list[Branch]]:
    """n branches at a branch's first `length` tokens, each with randomness of its own.

    Nothing is read again where the prompt keeps bookmarks and the branch went on from there.
    """
    forks: list[Branch] = yield Fork(branch, n, temperature)
    for fork in forks:
        yield Truncate(fork, length)
    return forks


def extended(beams: Sequence[Branch], ways: Sequence[Way], scores: dict[Branch, float]) -> Search[list[Branch]]:
    """A branch for each way: a beam's first way is the beam itself, the others are forks. Beams without one go.

    `scores` learns their scores. Those that are done give their pages back; where the budget is spent all are.
    """
    yield Drop([b for b in beams if not any(source is b for _, source, _ in ways)])
    grown = list[Branch]()
    for _, source, _ in ways:
        grown += [source] if source not in grown else (yield Fork(source, 1))
    count = yield Extend(grown, [way.token for _, _, way in ways])
    if count:
        scores |= {b: value for b, (value, _, _) in zip(grown, ways, strict=True)}
    else:  # the budget is spent: forks have nothing of their own
        yield Drop([b for b in grown if b not in scores])
        grown = [b for b in grown if b in scores]
    yield Drop([b for b in grown if b.done])
    return grown


def looked_ahead(live: Sequence[Branch], until: Until, steps: int) -> Search[dict[Branch, float]]:
    """Scores; of branches that go on, the score that they would have `steps` greedy steps later."""
    going = [b for b in live if not b.done] if steps else []
    if going:
        yield Likeliest(going, 1)  # their last token is read here, for the look ahead and for what comes after it
    ahead = dict[Branch, Branch]()
    for branch in going:
        [ahead[branch]] = yield Fork(branch, 1, temperature=0.0)
    for _ in range(steps):
        yield Advance(list(ahead.values()), until)
    r = yield Score([ahead.get(b, b) for b in live])
    yield Drop(list(ahead.values()))
    return {b: r[ahead.get(b, b)] for b in live}


def eligible(ended: Sequence[Ended]) -> list[Ended]:
    """Those that ended by themselves; if none did, those that the budget or the search left standing; else all."""
    for reasons in (("stop", "length"), ("budget", "unfinished")):
        if found := [e for e in ended if e.stopped_because in reasons]:
            return found
    return list(ended)


def candidates(
    scores: Mapping[Branch, float], answers: Mapping[Branch, Any] | None = None, left: Sequence[Branch] = ()
) -> tuple[Ended, ...]:
    """Every branch as a candidate, in the order of their making: what is not done was rejected, or is `left`."""
    answers = {} if answers is None else answers
    return tuple(
        Ended(b, scores[b], answers.get(b), b.finish or ("unfinished" if b in left else "rejected"))
        for b in sorted(scores, key=lambda b: b.id)
    )


def concluded(
    scores: Mapping[Branch, float],
    rounds: Sequence[Mapping[str, Any]],
    left: Sequence[Branch] = (),
    select: Select = best_of,
) -> Search[Selection]:
    """The candidates of a search; the best is chosen among the eligible."""
    answers = yield Answers(list(scores))
    ended = candidates(scores, answers, left)
    return Selection(select(eligible(ended)), ended, tuple(rounds))
