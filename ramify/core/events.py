"""What happens in a run's tree, as somebody who watches it is told: after each round, what has changed.

Whoever replays the events has, at their end, every branch's tokens, text, last score and end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ramify.core.types import TokenLogprob

EventKind = Literal["fork", "advance", "rewind", "score", "drop", "end"]


@dataclass(frozen=True)
class Event:
    """One thing that happened to one branch. Positions count the tokens behind the prompt.

    kind     "fork"     it was born: its tokens are the first `at` of its parent's
             "advance"  `tokens` came behind it
             "rewind"   it was cut back to its first `at` tokens (and goes on, if it had ended)
             "score"    the run's reward gave it `score` when it had `at` tokens
             "end"      it grows no further, because of `reason`
             "drop"     the run is through with it
    branch   0, 1, ... in the order of birth
    parent   of "fork": the branch that it goes on from; None is the prompt
    at       tokens that it has now (of "score": that it had)
    tokens   the new ones
    drafted  for each of them, whether a draft had proposed it
    logprobs of each of them, where the prompt's sampling asks for them
    text     of "advance" and "end": what it gained; whole characters only, and nothing that may still turn out to
             be the beginning of a stop text. Of "fork" and "rewind": all that it has. So the text of a branch is the
             text of its last "fork" or "rewind" and of all that came after it. What a branch that never ended holds
             back comes with "drop".
    score    None where the reward was -inf
    reason   of "end": "stop", "length" or "budget"; of "drop": the same if it had ended, else "rejected", or
             "unfinished" where the run was over first
    """

    kind: EventKind
    branch: int
    parent: int | None = None
    at: int = 0
    tokens: tuple[int, ...] = ()
    drafted: tuple[bool, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    text: str = ""
    score: float | None = None
    reason: str | None = None


Watch = Callable[[Event], None]
"""Is told what happens, on the thread that the engine runs on."""
