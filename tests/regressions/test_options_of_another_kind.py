"""Options of another kind than a method says were a TypeError, or were taken silently.

`--set step=1` ended in a traceback, as 1 is a number where a text is wanted; so did a model that is no name. And
`--set rollout=False` turned rollouts on: "False" is a text, and a text that is not empty counts as true.
"""

from typing import Any

import pytest

import ramify
from ramify.core.errors import BadInput
from ramify.core.wants import Marker


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("beam", {"step": 1}, "step: a text is expected, not 1"),
        ("mcts", {"rollout": "False"}, "rollout: true or false is expected, not 'False'"),
        ("think-sum", {"facts": ["a", 2]}, "facts: a list of texts is expected"),
        ("speculative-thinking", {"cues": 3}, "cues: a text or a list of texts is expected, not 3"),
        ("spec-reason", {"small": 0}, "small: 0 does not name a model"),
        ("pairwise-rank", {"judge": [2]}, "judge: 2 does not name a model"),
        ("majority-vote", {"each": "mcts(step=1)"}, "step: a text is expected, not 1"),
        ("retrospective-resampling", {"drop": "x"}, "drop: 'x' is not a finite number"),
    ],
)
def test_named_at_the_door(method: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as refused:
        ramify.load().search("Compute 7 * 8.", method, reward=lambda prompt, text: 0.0, max_tokens=2, **options)
    assert message in str(refused.value)


def test_markers_are_texts() -> None:
    with pytest.raises(BadInput, match="marker: a text, or several, are expected, not 1"):
        Marker(1)  # type: ignore[arg-type]
