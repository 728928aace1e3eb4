"""Superposed branches: texts of their own over one common reading.

What the target has read at a position of such a branch is a mixture of tokens, the same for all branches that were
superposed there. So they stand on the same pages, read the next mixture as one row, and have one law between them
(before penalties, which look at the tokens). Mixtures stand behind the prompt only: nothing of them is ever published.
"""

from collections.abc import Sequence

from ramify.core.errors import BadInput, Incompatible
from ramify.core.strict import finite
from ramify.core.types import Branch, Mixture
from ramify.engine.model import Model


def superpose(target: Model, branches: Sequence[Branch], weights: Sequence[float]) -> None:
    """Let the target read the weighted superposition of all their last tokens in place of each branch's last token.

    Raises:
        BadInput: a branch is named twice, is done or has no token of its own; weights that are no weights.
        Incompatible: a branch has a guide, whose models would have to read mixtures, too.
    """
    if len(set(branches)) != len(branches) or len(weights) != len(branches) or not branches:
        raise BadInput("superpose", "one weight for each branch, and each branch once")
    for branch in branches:
        if branch.done or not branch.num_generated:
            what = "is done; nothing stands behind it" if branch.done else "has no token yet; a prompt is not mixed"
            raise BadInput("superpose", f"branch {branch.id} {what}")
        if branch.guide is not None:
            raise Incompatible(
                f"the guide {branch.guide.name!r}", "superposed decoding", "Leave the guide out, or sample n texts."
            )
    mixture = mixture_of([branch.tokens[-1] for branch in branches], weights)
    plain = all(mixture == ((branch.tokens[-1], 1.0),) for branch in branches)
    for branch in branches:
        branch.speculate = False
        at = len(branch.tokens) - 1
        target.truncate(branch, at, resume=False)
        if not plain:
            target.readings[branch.id].mixtures[at] = mixture


def unmix(model: Model, branch: Branch) -> None:
    """Let a model read the tokens of a branch, and no mixtures."""
    if branch.id in model.readings and (mixtures := model.readings[branch.id].mixtures):
        model.truncate(branch, min(mixtures), resume=False)


def mixture_of(tokens: Sequence[int], weights: Sequence[float]) -> Mixture:
    """Equal tokens together, in the order of their ids, with weights that sum to one.

    Raises:
        BadInput: a weight is negative or no number, or all are zero.
    """
    mass = dict[int, float]()
    for token, weight in zip(tokens, weights, strict=True):
        mass[token] = mass.get(token, 0.0) + finite("superpose.weights", weight, 0.0)
    total = sum(mass.values())
    if not 0.0 < total < float("inf"):
        raise BadInput("superpose.weights", f"they sum to {total}; a positive number is expected")
    return tuple((token, mass[token] / total) for token in sorted(mass) if mass[token] > 0)
