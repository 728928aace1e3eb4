"""Speculative thinking: a small model writes; where it begins to reflect, a larger one writes the sentence.

Yang et al., "Speculative Thinking: Enhancing Small-Model Reasoning with Large Model Guidance at Inference Time",
arXiv:2504.12329.

    n      texts, side by side                       small      who writes (the target is the large one)
    step   text that ends a step (the delimiter)     cues       words that give a reflection away
    peek   tokens of a new step that are looked at   sentence   texts that end what the large model writes

The small model writes to the delimiter. Of the step that follows it writes `peek` tokens; if one of the cues is among
them (in either case), the large model goes on from there to the end of the sentence, else the small one to the next
delimiter. No cues: sampling from the small model, token for token. `rounds` say how many tokens were whose.
Departures: the paper has lists of cues for affirming, reflecting and verifying with a number of tokens for each; here
it is one list, and the large model writes to the sentence's end. Its remedy for too many reflections is left out.
"""

from collections.abc import Sequence
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Method, Select
from ramify.core.steps import counts, eligible
from ramify.core.types import Branch, Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Fork, Marker, Search, Texts

CUES = ("wait", "alternatively", "hold on", "hmm", "let me check", "let me verify", "double-check")


def speculative_thinking(
    prompt: Prompt,
    *,
    n: int = 1,
    small: str = "builtin-draft",
    cues: str | Sequence[str] = CUES,
    step: str = "\n",
    sentence: str | Sequence[str] = (".", "\n"),
    peek: int = 8,
    most: int = 128,
    select: Select,
) -> Search[Selection]:
    """Step by step: look at its beginning, and hand it over or go on.

    Args:
        most: tokens of a step, and of what the large model writes at once, at most.
    Raises:
        BadInput: n, peek or most is below 1, or a text is empty.
    """
    counts(n=n, peek=peek, most=most)
    words = [cue.lower() for cue in _texts("cues", cues)]
    end, handed = Marker(step, most), Marker(_texts("sentence", sentence), most)
    live: list[Branch] = yield Fork(prompt, n)
    yield Advance(live, end, by=small)
    everybody, rounds = live, list[dict[str, Any]]()
    rounds.append({"steps": n, "delegated": 0, "tokens": sum(b.num_generated for b in live), "delegated_tokens": 0})
    while live := [b for b in live if not b.done]:
        starts, before = {b: len(b.tokens) for b in live}, (yield Texts(live))
        yield Advance(live, Marker(step, min(peek, most)), by=small)
        after = yield Texts(live)
        cued = [b for b in live if not b.done and any(w in after[b][len(before[b]) :].lower() for w in words)]
        over = {b for b in live if step in after[b][len(before[b]) :]}
        yield Advance([b for b in live if b not in cued and b not in over], end, by=small)
        seen = {b: len(b.tokens) for b in cued}
        yield Advance(cued, handed)

        tokens, theirs = sum(len(b.tokens) - starts[b] for b in live), sum(len(b.tokens) - seen[b] for b in cued)
        rounds.append({"steps": len(live), "delegated": len(cued), "tokens": tokens, "delegated_tokens": theirs})
    answers = yield Answers(everybody)
    ended = tuple(Ended.of(b, answer=answers[b]) for b in everybody)
    return Selection(select(eligible(ended)), ended, tuple(rounds))


def _texts(field: str, wish: str | Sequence[str]) -> tuple[str, ...]:
    """One text or several."""
    texts = (wish,) if isinstance(wish, str) else tuple(wish)
    if not all(isinstance(text, str) and text for text in texts):
        raise BadInput(field, "texts that are not empty are expected; an empty one is in every text")
    return texts


METHOD = Method(
    name="speculative-thinking",
    run=speculative_thinking,
    summary="a small model writes, the target takes over sentences of reflection",
    paper="arXiv:2504.12329",
    law="each token is the law of the model that writes it; no cues: the small model's",
    select="majority",
    needs="a small model of the target's tokens",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method speculative-thinking --set "cues=*"',
    models=("small",),
)
