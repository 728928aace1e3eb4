"""What a user asks for when a target shall be steered."""

from pathlib import Path

from ramify.api.speculate import Speculate
from ramify.core.errors import BadInput, Incompatible
from ramify.model.steering import Steering

SteerLike = str | Path | Steering


def steering_of(wish: SteerLike | None, speculate: Speculate | None) -> Steering | None:
    """The steering, read from its file; any draft composes with it but the target's own layers.

    Raises:
        BadInput: it is neither a `Steering` nor a file's name. CheckpointError: the file cannot be read.
        Incompatible: the target drafts with some of its own layers.
    """
    if wish is None:
        return None
    if not isinstance(wish, SteerLike):
        raise BadInput("steer", f"{wish!r} is neither a Steering nor the name of a file of one")
    steering = wish if isinstance(wish, Steering) else Steering.load(wish)
    if speculate is not None and speculate.draft == "skip-layers" and not steering.idle:
        remedy = "Vectors fit the stream of all layers, not of some; take a draft model, 'ngram' or 'suffix'."
        raise Incompatible("steering", "draft 'skip-layers'", remedy)
    return steering


def steering_from(file: str | Path | None, strength: float | None) -> Steering | None:
    """A file's steering at another strength than its own.

    Raises:
        BadInput: a strength without a file, or one out of range. CheckpointError: the file cannot be read.
    """
    if file is None:
        if strength is not None:
            raise BadInput("steer_strength", "it says how strongly to steer, and nothing steers; give --steer, too")
        return None
    steering = Steering.load(file)
    return steering if strength is None else steering.at(strength)
