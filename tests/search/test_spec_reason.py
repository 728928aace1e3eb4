"""SpecReason: who writes which step, the ladder, what is read, bad input."""

import math
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget, Ended, Selection
from ramify.core.wants import Advance, Finish, Fork, Search
from ramify.engine.driver import run_alone
from ramify.engine.session import Session
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.search.runs import STORY, drawn, run, selection, small_beside
from tests.toys import prompt, toy

STEPS: dict[str, Any] = {"step": "b", "most": 4}


def by_small(seed: int, n: int) -> list[list[int]]:
    """Plain sampling from the small model."""

    def search() -> Search[Selection]:
        live = yield Fork(prompt(*STORY, seed=seed, ignore_eos=False, max_tokens=12), n)
        yield Advance(live, Finish(), by="small")
        ended = tuple(Ended.of(b) for b in live)
        return Selection(ended[0], ended)

    engine = toy(num_pages=400)
    engine.others["small"] = small_beside(engine)
    return drawn(run_alone(engine, search()))


def accepted(session: Session) -> tuple[int, int]:
    rounds = selection(session).rounds
    return sum(r["accepted"] for r in rounds), sum(r["steps"] for r in rounds)


@pytest.mark.parametrize("seed", range(4))
def test_accepting_everything_is_the_small_model(seed: int) -> None:
    session = run("spec-reason", seed=seed, n=5, threshold=-math.inf, **STEPS)
    assert drawn(session) == by_small(seed, 5)
    assert session.ledger.model("target").tokens == 0  # it has nothing to write, and the judge is another


def test_thresholds_in_between_accept_some() -> None:
    counts = [accepted(run("spec-reason", n=8, threshold=t, **STEPS)) for t in (-math.inf, -0.2, 0.05, math.inf)]
    shares = [a / steps for a, steps in counts]
    assert shares[0] == 1.0 and shares[-1] == 0.0 and 0.0 < shares[2] < shares[1] < 1.0


def test_steps_that_must_raise_the_score() -> None:
    """Gains and heights are judged differently."""
    gains = run("spec-reason", n=8, threshold=0.1, gain=True, **STEPS)
    assert 0 < accepted(gains)[0] < accepted(gains)[1]
    assert drawn(gains) != drawn(run("spec-reason", n=8, threshold=0.1, **STEPS))


@pytest.mark.parametrize("threshold", [-math.inf, 0.3, math.inf])
def test_nothing_is_read_twice(threshold: float) -> None:
    session = run("spec-reason", n=4, threshold=threshold, **STEPS)
    assert session.ledger.recomputed_tokens == 0


def test_a_step_that_never_ends_is_cut() -> None:
    session = run("spec-reason", n=2, threshold=0.3, step="never", most=5)
    assert all(r["drafted"] <= 5 * r["steps"] for r in selection(session).rounds)
    assert all(e.branch.done for e in selection(session).ended)


def test_a_text_ends_where_the_small_model_can_read_no_further() -> None:
    engine = toy(num_pages=400)
    engine.others["small"] = toy_model("small", ToyModel(salt=9), num_pages=99, max_positions=9)
    session = run("spec-reason", engine=engine, source=prompt(*STORY, max_tokens=12), n=3, threshold=0.05, **STEPS)
    assert {(len(e.branch.tokens), e.stopped_because) for e in selection(session).ended} == {(9, "length")}
    with pytest.raises(BadInput, match="context"):
        run("spec-reason", engine=engine, source=prompt(*STORY, *STORY, max_tokens=12))


@pytest.mark.parametrize("tokens", [1, 3, 11])
def test_an_empty_purse_ends_it(tokens: int) -> None:
    session = run("spec-reason", n=3, threshold=math.inf, budget=Budget(tokens=tokens), **STEPS)
    assert session.ledger.generated_tokens <= tokens
    assert selection(session).best in selection(session).ended


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"n": 0}, "n"),
        ({"most": 0}, "most"),
        ({"threshold": math.nan}, "threshold"),
        ({"threshold": "high"}, "threshold"),
        ({"step": ""}, "marker"),
        ({"small": "nobody"}, "keeps scores"),
    ],
)
def test_bad_input(options: dict[str, Any], field: str) -> None:
    engine = toy(num_pages=400)
    engine.others["nobody"] = engine.others["judge"]  # a reward model writes nothing
    with pytest.raises(BadInput, match=field):
        run("spec-reason", engine=engine, **options)
