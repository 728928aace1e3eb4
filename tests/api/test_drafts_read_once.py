"""With a draft beside it no search reads a token twice, in any model: neither prompts nor what it rewinds to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ramify.api import LM, Speculate

Load = Callable[..., LM]

SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "best-of-n": {"n": 4, "reward": "orm"},
    "beam": {"n": 4, "reward": "prm", "step": "a", "max_step_tokens": 6},
    "mcts": {"reward": "prm", "step": "a", "max_step_tokens": 6, "simulations": 5},
    "particle-gibbs": {"n": 3, "reward": "prm", "marker": "a", "sweeps": 2},
    "qalign": {"reward": "orm", "steps": 4, "chains": 3},
    "power-sampling": {"steps": 4, "chains": 3},
    "retrospective-resampling": {"reward": "prm"},
}


@pytest.mark.parametrize("method", SEARCHES)
@pytest.mark.parametrize("shape", ["chain:4", "independent:2,1"])
def test_no_token_is_read_twice(method: str, shape: str, load: Load, models: Path) -> None:
    options = dict(SEARCHES[method])
    if "reward" in options:
        options["reward"] = models / options["reward"]
    lm = load(speculate=Speculate(draft=models / "target", shape=shape))
    result = lm.search("once upon a time there was a fox", method, seed=3, max_tokens=24, **options)
    assert result.ledger.models["draft"].tokens > 0
    assert {role: account.recomputed for role, account in result.ledger.models.items()} == dict.fromkeys(
        result.ledger.models, 0
    )
