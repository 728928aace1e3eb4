"""`verify`: the proofs hold here; and they notice when something is wrong."""

from collections.abc import Callable
from itertools import accumulate

import pytest
import torch

from ramify.core.errors import RamifyError
from ramify.core.ledger import Ledger
from ramify.core.types import Branch
from ramify.engine import model as engine_model
from ramify.kv import book, pages
from ramify.maths import law
from ramify.toy.enumerate import Tape, outcomes, total_variation
from ramify.verify.lab import Lab, Recorder, distance, toy_lab
from ramify.verify.laws import LAWS
from ramify.verify.report import verify
from ramify.verify.searches import SAMPLINGS, searches_have_their_laws, text_law


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    return verify()


def test_every_proof_holds(rows: list[dict[str, object]]) -> None:
    assert [row for row in rows if not row["ok"]] == []
    assert len(rows) == 3 * len(LAWS) + len(searches_have_their_laws())


def test_rows_are_complete(rows: list[dict[str, object]]) -> None:
    for row in rows:
        assert {"name", "law", "distance", "value", "unit", "ratio", "baseline", "bound", "ok", "seconds"} <= row.keys()
        assert row["value"] == row["distance"]


def test_every_claim_has_a_law_of_total_mass_one() -> None:
    for sampling in SAMPLINGS.values():
        assert sum(text_law(sampling).values()) == pytest.approx(1.0, abs=1e-12)
    laws = list(map(text_law, SAMPLINGS.values()))
    assert all(total_variation(a, b) > 1e-3 for i, a in enumerate(laws) for b in laws[:i])  # each tests something


def _broken(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    if what == "copy on write is forgotten":
        monkeypatch.setattr(pages.PagePool, "writable", lambda self, page: True)
    elif what == "a fork shares its parent's table":
        monkeypatch.setattr(book, "fork", lambda pool, table: table)
    elif what == "truncate keeps a page":
        cut = pages.truncate
        monkeypatch.setattr(book, "truncate", lambda pool, t, n: cut(pool, t, n + pool.page_size if n else 0))
    elif what == "truncate keeps the last row":
        keep = engine_model.Model.truncate

        def truncate(self: engine_model.Model, branch: Branch, length: int) -> None:
            keep(self, branch, length)
            reading = self.readings.get(branch.id)
            if reading is not None and reading.anchors:
                reading.anchors[length] = next(iter(reading.anchors.values()))

        monkeypatch.setattr(engine_model.Model, "truncate", truncate)
    elif what == "a page is lost":
        release = pages.PagePool.release
        monkeypatch.setattr(pages.PagePool, "release", lambda self, page: release(self, page) if page != 3 else None)
    elif what == "neighbours' rows are swapped":
        monkeypatch.setattr(engine_model, "accumulate", lambda *counts, **rest: [*accumulate(*counts, **rest)][::-1])


MISTAKES = {
    "copy on write is forgotten": "fork is free of consequence",
    "a fork shares its parent's table": "fork is free of consequence",
    "truncate keeps a page": "truncate undoes advance",
    "truncate keeps the last row": "truncate undoes advance",
    "a page is lost": "drop returns every page",
    "neighbours' rows are swapped": "neighbours don't matter",
}


@pytest.mark.parametrize(("what", "name"), MISTAKES.items())
def test_a_mistake_is_noticed(what: str, name: str, monkeypatch: pytest.MonkeyPatch, unaudited: None) -> None:
    _broken(monkeypatch, what)
    assert _noticed(LAWS[name])


def _noticed(law: Callable[[Lab], float]) -> bool:
    try:
        return law(toy_lab(2)) > 0
    except (RamifyError, IndexError, KeyError):  # an audit may be faster than the law
        return True


def test_no_mistake_no_notice() -> None:
    assert not any(map(_noticed, LAWS.values()))


@pytest.mark.parametrize("sign", [-1.0, 0.9])
def test_a_wrong_law_is_noticed(sign: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = law.final_law
    monkeypatch.setattr("ramify.engine.draws.final_law", lambda x, *rest: right(x * sign, *rest))
    wrong = [claim for claim, far in searches_have_their_laws().items() if far > 1e-3]
    assert len(wrong) >= 10


def test_enumeration_goes_through_every_path() -> None:
    def run(tape: Tape) -> tuple[int, ...]:
        first = tape.choose([0.5, 0.0, 0.25, 0.25])
        return (first, tape.choose([0.1, 0.9])) if first else (first,)

    law_of = outcomes(run)
    assert law_of == pytest.approx({(0,): 0.5, (2, 0): 0.025, (2, 1): 0.225, (3, 0): 0.025, (3, 1): 0.225})
    assert sum(law_of.values()) == pytest.approx(1.0)


def test_enumeration_refuses_what_is_too_long() -> None:
    with pytest.raises(ValueError, match="more than 10 paths"):
        outcomes(lambda tape: [tape.choose([0.5, 0.5]) for _ in range(5)] and 0, most=10)


def test_distances() -> None:
    assert distance([[0.5, 0.5]], [[0.5, 0.5]]) == 0.0
    assert distance([[1.0, 0.0], [0.5, 0.5]], [[1.0, 0.0], [0.25, 0.75]]) == 0.25
    assert distance([[1.0]], []) == 1.0
    assert total_variation({"a": 0.5, "b": 0.5}, {"b": 0.5, "c": 0.5}) == 0.5


def test_a_recorder_draws_as_users_do() -> None:
    lab = toy_lab(2)
    outcomes_of = []
    for draw in (None, Recorder(vocab_size=3)):
        engine = lab.make(**({"draw": draw} if draw else {}))
        branch = engine.prefill(lab.prompt(0, seed=4))
        engine.advance([branch], 9)
        outcomes_of.append(branch.tokens)
    assert outcomes_of[0] == outcomes_of[1]
    assert isinstance(branch.ledger, Ledger)
    assert torch.is_grad_enabled()
