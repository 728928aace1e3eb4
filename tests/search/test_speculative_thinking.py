"""Speculative thinking: who writes which token, the ladder, shares in the rounds, bad input."""

from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget
from ramify.engine.session import Session
from tests.search.runs import drawn, run, selection
from tests.search.test_spec_reason import by_small

HANDED: dict[str, Any] = {"step": "b", "cues": "A", "sentence": "b", "peek": 1}


def share(session: Session) -> float:
    rounds = selection(session).rounds
    return sum(r["delegated_tokens"] for r in rounds) / sum(r["tokens"] for r in rounds)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cues", [(), ("zebra",)])
def test_without_cues_the_small_model_writes_alone(seed: int, cues: tuple[str, ...]) -> None:
    session = run("speculative-thinking", seed=seed, n=5, step="b", cues=cues)
    assert drawn(session) == by_small(seed, 5)
    assert session.ledger.model("target").tokens == 0
    assert share(session) == 0.0


def test_a_cue_hands_the_sentence_over() -> None:
    """Cues are found in either case. What the rounds count is what was drawn."""
    session = run("speculative-thinking", n=8, **HANDED)
    assert 0.0 < share(session) < 1.0
    tokens = sum(e.branch.num_generated for e in selection(session).ended)
    assert sum(r["tokens"] for r in selection(session).rounds) == tokens
    assert session.ledger.generated_tokens == tokens
    assert session.ledger.recomputed_tokens == 0


def test_the_target_reads_only_what_it_takes_over() -> None:
    """A text that was never handed over is not read by the target at all."""
    few = run("speculative-thinking", n=1, seed=3, step="b", cues="aaaa", sentence="b", peek=4)
    many = run("speculative-thinking", n=1, seed=3, **HANDED)
    assert few.ledger.model("target").tokens < many.ledger.model("target").tokens


def test_a_longer_look_finds_more_cues() -> None:
    found = [run("speculative-thinking", n=12, **{**HANDED, "cues": "ab", "peek": peek}) for peek in (1, 4)]
    delegated = [sum(r["delegated"] for r in selection(session).rounds) for session in found]
    assert delegated[0] == 0 < delegated[1]


@pytest.mark.parametrize("tokens", [1, 4, 13])
def test_an_empty_purse_ends_it(tokens: int) -> None:
    session = run("speculative-thinking", n=3, budget=Budget(tokens=tokens), **HANDED)
    assert session.ledger.generated_tokens <= tokens


@pytest.mark.parametrize(
    ("options", "field"),
    [({"n": 0}, "n"), ({"peek": 0}, "peek"), ({"cues": ("wait", "")}, "cues"), ({"sentence": ()}, "marker")],
)
def test_bad_input(options: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput, match=field):
        run("speculative-thinking", **options)
