"""Texts that stand already, scored by a reward: what a reward model is served for."""

from collections.abc import Sequence
from typing import Any

from ramify.core.errors import BadInput
from ramify.core.protocols import Method
from ramify.core.types import Ended, Prompt, Selection, best_of
from ramify.core.wants import Append, Extend, Fork, Score, Search


def scored_texts(prompt: Prompt, *, texts: Sequence[str], step: str = "", end: int | None = None) -> Search[Selection]:
    """Put each text behind the prompt and score it, raw.

    Args:
        step: where given, also the beginnings that end with it are scored: `rounds` has a list for each text of
            {"text", "score"}, the last one's the whole text's.
        end: a token that ends each text; None leaves them open.
    """
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise BadInput("texts", "a list of texts is expected, none of them empty")
    live = yield Fork(prompt, len(texts))
    pieces, last = [_pieces(text, step) for text in texts], dict.fromkeys(live, 0.0)
    steps: list[list[dict[str, Any]]] = [[] for _ in texts]
    for k in range(max(map(len, pieces))):
        some = [i for i, parts in enumerate(pieces) if k < len(parts)]
        for i in some:
            yield Append(live[i], pieces[i][k])
        if end is not None and (last_ones := [i for i in some if k == len(pieces[i]) - 1]):
            yield Extend([live[i] for i in last_ones], [end] * len(last_ones))
        scores = yield Score([live[i] for i in some])
        last |= scores
        for i in some:
            steps[i].append({"text": pieces[i][k], "score": scores[live[i]]})
    ended = tuple(Ended(branch, last[branch]) for branch in live)
    return Selection(best_of(ended), ended, tuple({"steps": each} for each in steps))


def _pieces(text: str, step: str) -> list[str]:
    """The steps of a text, each with the mark that ends it."""
    if not step:
        return [text]
    parts = [part + step for part in text.split(step)]
    parts[-1] = parts[-1].removesuffix(step)
    return [part for part in parts if part]


SCORED_TEXTS = Method(
    name="scored-texts",
    run=scored_texts,
    summary="texts that stand already, scored",
    paper="-",
    law="none: nothing is drawn",
    uses_reward=True,
    needs="a reward",
    size=None,
)
