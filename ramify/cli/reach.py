"""What the commands use beyond `ramify.api`, by name: a command that needs none of it loads none of it."""

from typing import Any

from ramify.core import registry

registry.TABLES["reach"] = {
    "plot": "ramify.cli.plot:save",
    "verify": "ramify.verify.report:verify",
    "verify-lab": "ramify.verify.lab:decoder_lab",
    "checkpoint": "ramify.model.checkpoint:load",
    "train-builtin": "ramify.train.builtin:train_builtin",
    "train-stages": "ramify.train.builtin:STAGES",
    "train-scales": "ramify.train.shapes:SCALES",
}


def reach(name: str) -> Any:
    """The object behind one of the names above."""
    return registry.lookup("reach", name)
