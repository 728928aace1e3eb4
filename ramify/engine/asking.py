"""Questions to a model: how likely it finds each of some texts behind a branch.

n rows, D hidden width
"""

from collections.abc import Callable, Sequence

import torch

from ramify.core.errors import BadInput
from ramify.core.types import Branch
from ramify.engine.likelihood import token_logprobs
from ramify.engine.model import Model
from ramify.engine.superposing import unmix

Aside = Callable[[Branch, Sequence[int]], Branch]
Read = Callable[[Sequence[Branch], Model], None]


def likelihoods(
    model: Model,
    sources: Sequence[Branch],
    question: str,
    choices: Sequence[str],
    aside: Aside,
    read: Read,
    drop: Callable[[Sequence[Branch]], None],
    seen: Callable[[Sequence[Branch]], None],
) -> list[list[float]]:
    """Log-probability of each choice behind each source and the question.

    A source is read as far as it has not been and keeps that; the question is read once for each source, a choice
    without its last token once. `seen` is shown the branches that were made for it before they go.

    Raises:
        BadInput: a choice has no tokens.
    """
    asked = model.codec.encode_after(question) if question else []
    tokens = [model.codec.encode_after(choice) for choice in choices]
    for choice, some in zip(choices, tokens, strict=True):
        if not some:
            raise BadInput("choices", f"{choice!r} has no tokens")
    made = list[Branch]()

    def beside(branch: Branch, more: Sequence[int]) -> Branch:
        made.append(aside(branch, more))
        unmix(model, made[-1])
        return made[-1]

    try:
        bases = [_base(source, beside) for source in sources]
        read(bases, model)
        for base, source in zip(bases, sources, strict=True):
            if base is not source:
                model.lend(base, source)
        stems = [beside(base, asked) for base in bases]
        read(stems, model)
        rests = [[beside(stem, some[:-1]) for some in tokens] for stem in stems]
        for each in rests:
            for rest in each:
                rest.bookmarks = True  # every row's: each but the last leads to a token of the choice
        read([rest for each in rests for rest in each], model)
        return [
            [_behind(model, stem, rest, some) for rest, some in zip(each, tokens, strict=True)]
            for stem, each in zip(stems, rests, strict=True)
        ]
    finally:
        seen(made)
        drop(made)


def _base(source: Branch, beside: Aside) -> Branch:
    """What is asked behind: the source itself, or, of one that an end token ended, a copy without that."""
    if source.finish != "stop" or source.text_end is not None:
        return source
    base = beside(source, ())
    base.bookmarks = source.bookmarks
    return base


def _behind(model: Model, stem: Branch, rest: Branch, tokens: Sequence[int]) -> float:
    anchors = model.readings[rest.id].anchors
    rows_nD = torch.stack([anchors[at] for at in range(len(stem.tokens), len(stem.tokens) + len(tokens))])
    stem.ledger.model(model.role).flops += model.runner.costs.logits * len(tokens)
    return sum(token_logprobs(model.runner, rows_nD, tokens))
