"""Beam search over tokens: always hold the k likeliest beginnings.

Lowerre, "The HARPY speech recognition system", 1976; the length penalty is that of Wu et al., arXiv:1609.08144, in the
form, and with the early stopping, of `generate` in the library transformers.

    k (width)   beams        lp   log-probability of a text, summed        L   tokens of a text, the end token included

A step extends every beam by its likeliest tokens and takes the 2k best of all by lp. Those among the first k that end
their text are finished with the score lp / L ** length_penalty, and the k best finished ones are held; the k best that
go on are the next beams. It stops when nobody goes on, or k are finished and
    early_stopping=True      at once
    early_stopping=False     no beam's score at its length now is above the worst of them
    early_stopping="never"   nor, where length_penalty > 0, its lp over the longest length that a text may have
Target: argmax of lp / L ** length_penalty. Exact where k holds every beginning and early_stopping="never"; k=1 with
length_penalty=0 is greedy. No draw is made: the seed does not matter, and temperature is taken as 1.
Departure: with several end tokens `generate` looks at more than 2k continuations; here too few may go on then.
"""

from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.steps import candidates, counts, eligible, extended
from ramify.core.strict import finite
from ramify.core.types import Branch, Prompt, Selection, best_of
from ramify.core.wants import Answers, Fork, Likeliest, Search


def token_beam_search(
    prompt: Prompt, *, width: int = 4, length_penalty: float = 1.0, early_stopping: bool | str = False
) -> Search[Selection]:
    """Extend, keep the best, until no beam can win any more.

    Args:
        width: beams. length_penalty: power of the length that a log-probability is divided by.
        early_stopping: True, False or "never"; see above.
    Raises:
        BadInput: an option is out of its range.
    """
    counts(width=width)
    finite("length_penalty", length_penalty, -100.0, 100.0)
    if not isinstance(early_stopping, bool) and early_stopping != "never":
        raise BadInput("early_stopping", f"{early_stopping!r} is neither True nor False nor 'never'")
    beams: list[Branch] = yield Fork(prompt.at_temperature(1.0), 1)
    longest = beams[0].max_length - beams[0].num_prompt
    lp, finished, rounds = {beams[0]: 0.0}, list[Branch](), list[dict[str, Any]]()

    def score(branch: Branch) -> float:
        return float(lp[branch] / max(1, branch.num_generated) ** length_penalty)

    while beams:
        found = yield Likeliest(beams, 2 * width)
        ways = [(lp[b] + way.logprob, b, way) for b, some in zip(beams, found, strict=True) for way in some]
        ways = sorted(ways, key=lambda way: way[0], reverse=True)[: 2 * width]
        ending = [way for way in ways[:width] if way[2].ends]
        going = [way for way in ways if not way[2].ends][:width]
        grown = yield from extended(beams, [*going, *ending], lp)
        beams = [b for b in grown if not b.done]
        finished += [b for b in grown if b.done and b.finish != "budget"]
        finished = sorted(finished, key=score, reverse=True)[:width]
        if not beams:
            break
        rounds.append({"length": beams[0].num_generated, "beams": len(beams), "finished": len(finished)})
        if len(finished) == width:
            reach = longest if early_stopping == "never" and length_penalty > 0 else beams[0].num_generated
            if early_stopping is True or lp[beams[0]] / reach**length_penalty <= score(finished[-1]):
                break
    answers = yield Answers(list(lp))
    ended = candidates({b: score(b) for b in lp}, answers)
    return Selection(best_of(eligible(ended)), ended, tuple(rounds))


METHOD = Method(
    name="token-beam-search",
    run=token_beam_search,
    summary="hold the k likeliest beginnings, with length penalty and early stopping",
    paper="arXiv:1609.08144",
    law="argmax of lp / L^length_penalty where the beam is wide enough; width=1 is greedy",
    needs="nothing (no reward: the score is the log-probability over the length)",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method token-beam-search --set width=4',
    size="width",
)
