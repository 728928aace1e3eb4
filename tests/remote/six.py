"""The six searches that any server must be able to run, and what must hold of each result."""

from typing import Any

import pytest

import ramify
from ramify.api.remote import Remote
from ramify.core.results import Result

PROBLEM = "Tom has 12 apples. Tom gives away 5 apples. How many apples does Tom have?\n"
MOST = 64


def progress(prompt: str, text: str) -> float:
    """A reward of any text, unfinished ones too: lines, and an answer behind them."""
    return text.count("\n") + 4.0 * ("####" in text) - 0.01 * len(text)


SEARCHES: list[tuple[str, dict[str, Any]]] = [
    ("sample", {"n": 3}),
    ("best-of-n", {"n": 4, "reward": progress}),
    ("majority-vote", {"n": 4}),
    ("speculative-rejection", {"n": 6, "reward": progress, "budget": ramify.Budget(pages=6)}),
    ("beam", {"n": 4, "width": 2, "reward": progress}),
    ("particle-filter", {"n": 4, "reward": progress, "ess_threshold": 0.9}),
]
six_searches = pytest.mark.parametrize(("method", "options"), SEARCHES, ids=[name for name, _ in SEARCHES])


def search(server: Remote, method: str, options: dict[str, Any], seed: int = 3) -> Result:
    """One of them; what must hold of every result is checked."""
    result = server.search(PROBLEM, method, max_tokens=MOST, seed=seed, temperature=1.5, **options)
    assert isinstance(result, ramify.Result) and result.method == method
    assert result.best in result.candidates and result.text == result.best.text
    account, ledger = result.ledger.server, result.ledger
    assert ledger.generated_tokens > 0 and ledger.prompt_tokens > 10
    assert account.requests > 0 and ledger.models["target"].passes == account.requests
    for candidate in result.candidates:
        assert candidate.stopped_because in ("stop", "length", "rejected")
        assert (candidate.score is None) == ("reward" not in options)
    if method == "speculative-rejection":
        assert len(result.rounds) > 1 and any(c.stopped_because == "rejected" for c in result.candidates)
    if method in ("beam", "particle-filter"):
        assert len(result.rounds) > 1
        steps = [branch.text for branch in result.tree]
        assert any(text.count("\n") >= 2 for text in steps)  # several steps, and no marker was lost between them
    return result
