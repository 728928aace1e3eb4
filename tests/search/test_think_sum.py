"""ThinkSum."""

import math
from collections.abc import Sequence

import pytest

from ramify.core.errors import BadInput, UnknownName
from ramify.search.think_sum import think_sum
from tests.search.runs import run, selection
from tests.search.scripted import SOURCE, Script

KNOWN = {("cat", "purrs"): 0.6, ("cat", "swims"): 0.1, ("fish", "purrs"): 0.01, ("fish", "swims"): 0.6}
WORLD = KNOWN | {("seal", "purrs"): 0.25, ("seal", "swims"): 0.5, ("", "purrs"): 0.2, ("", "swims"): 0.3}
PRIOR = {"cat": 0.7, "fish": 0.2, "seal": 0.1}


def world(text: str, question: str, choices: Sequence[str], by: str | None) -> list[float]:
    """A model that knows each fact by itself; asked for the animal outright it names the commonest."""
    if choices[0] in PRIOR:
        return [math.log(PRIOR[choice]) for choice in choices]
    return [math.log(WORLD[text.removeprefix("Q"), choice]) for choice in choices]


def think(**options: object) -> tuple[str, list[float]]:
    script = Script(opinion=world)
    found = script.run(think_sum(SOURCE, choices=("cat", "fish", "seal"), **options))  # type: ignore[arg-type]
    assert script.appended == ["cat", "fish", "seal"]  # each candidate's text is its answer
    return script.appended[found.ended.index(found.best)], [e.score or 0.0 for e in found.ended]


def test_reasoning_over_a_set_solves_what_asking_outright_does_not() -> None:
    """Which animal purrs and swims? cat 0.06, fish 0.006, seal 0.125."""
    facts = ("purrs", "swims")
    assert think()[0] == "cat"
    best, scores = think(facts=facts)
    assert best == "seal"
    assert scores == pytest.approx([math.log(0.06), math.log(0.006), math.log(0.125)])
    assert think(facts=facts, prior=True)[0] == "cat"  # 0.042 against 0.0125


def test_aggregators() -> None:
    facts = ("purrs", "swims")
    any_, scores = think(facts=facts, aggregator="mixture")
    assert any_ == "seal"
    assert scores == pytest.approx([math.log(0.35), math.log(0.305), math.log(0.375)])
    best, ratios = think(facts=facts, aggregator="ratio")
    assert (best, ratios) == ("seal", pytest.approx([math.log(p / 0.06) for p in (0.06, 0.006, 0.125)]))
    assert think(facts=facts[:1])[1] == pytest.approx(think(facts=facts[:1], aggregator="mixture")[1])


def test_nothing_is_drawn_and_the_answer_is_the_text() -> None:
    session = run("think-sum", choices=("ab", "b"), facts=("a",))
    assert session.ledger.generated_tokens == 0
    assert [e.branch.generated for e in selection(session).ended] == [[1, 2], [2]]
    assert [e.answer for e in selection(session).ended] == ["b", "b"]


def test_bad_input() -> None:
    for field, wrong in (
        ("choices", ()),
        ("choices", ("a", "")),
        ("choices", "ab"),
        ("facts", ("a", "a")),
        ("premise", "{prompt}"),
    ):
        with pytest.raises(BadInput, match=field):
            run("think-sum", **{field: wrong})
    with pytest.raises(BadInput, match="a ratio is of what facts say"):
        run("think-sum", aggregator="ratio")
    with pytest.raises(UnknownName, match="did you mean 'product'"):
        run("think-sum", aggregator="products")
    with pytest.raises(BadInput, match="append"):
        run("think-sum", choices=("a" * 40, "b"))
