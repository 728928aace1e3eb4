"""What the commands use beyond `ramify.api`, by name: a command that needs none of it loads none of it."""

from typing import Any

from ramify.core import registry

registry.TABLES["reach"] = {
    "generate-problem": "ramify.tasks:generate",
    "load-problems": "ramify.tasks:load_gsm8k",
    "check-answer": "ramify.tasks:check",
    "architectures": "ramify.model.config:ARCHITECTURES",
    "train-builtin": "ramify.train.builtin:train_builtin",
    "train-scales": "ramify.train.shapes:SCALES",
    "save-plot": "ramify.cli.plot:save",
}


def reach(name: str) -> Any:
    """The object behind one of the names above."""
    return registry.lookup("reach", name)
