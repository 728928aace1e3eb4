"""Choice Funnel."""

import math
from collections.abc import Sequence

import pytest

from ramify.core.errors import BadInput, UnknownName
from ramify.search.choice_funnel import NONE, funnel
from tests.search.runs import run
from tests.search.scripted import SOURCE, Opinion, Script

BELIEF = {"four": 3.0, "seven": -2.0, "ten": 2.5, "nine": -2.5, NONE: 0.5, "N/A": 0.0}
OPTIONS = ("seven", "four", "nine", "ten")


def model(*bias: float) -> Opinion:
    """Believes what it believes, and likes the labels A, B, ... by `bias` as such."""

    def opinion(text: str, question: str, choices: Sequence[str], by: str | None) -> list[float]:
        lines = [line.split(". ", 1) for line in text.splitlines() if ". " in line]
        assert [f" {label}" for label, _ in lines] == list(choices)
        scores = [BELIEF[shown] + like for (_, shown), like in zip(lines, [*bias, 0, 0, 0, 0, 0], strict=False)]
        total = math.log(sum(map(math.exp, scores)))
        return [score - total for score in scores]

    return opinion


def choose(*bias: float, options: Sequence[str] = OPTIONS, **wishes: object) -> tuple[list[str], Script]:
    script = Script(opinion=model(*bias))
    script.run(funnel(SOURCE, options=tuple(options), **wishes))  # type: ignore[arg-type]
    return (script.appended[0].split(", ") if script.appended else []), script


def test_all_that_apply_and_nothing_else() -> None:
    chosen, script = choose(confident=1.0)
    assert chosen == ["four", "ten"]  # in the order given
    assert len(script.asked) == 1 + 3  # the prior; two options and "none of these"
    assert "D. ten" in script.asked[1]
    assert script.asked[-1] == f"Q\nA. seven\nB. nine\nC. {NONE}\n"


@pytest.mark.parametrize("prior", ["content-free", "cyclic"])
def test_a_planted_label_bias_is_removed(prior: str) -> None:
    biased, _ = choose(6.0, 0.0, 0.0, -1.0, prior="none", confident=1.0)
    assert biased != ["four", "ten"]
    assert choose(6.0, 0.0, 0.0, -1.0, prior=prior, confident=1.0)[0] == ["four", "ten"]


def test_what_it_costs() -> None:
    assert len(choose(prior="none", confident=1.0)[1].asked) == 3 < len(OPTIONS)  # fewer than a question an option
    assert len(choose(prior="cyclic", confident=1.0)[1].asked) == 3 + 4


def test_thresholds() -> None:
    assert choose(confident=0.0)[0] == ["four"]
    assert choose(options=["seven", "nine"], least=0.9)[0] == []  # nothing stands behind the prompt
    assert choose(options=["four"])[0] == ["four"]
    assert choose(options=["four", "ten"], confident=1.0)[0] == ["four", "ten"]


def test_the_trace_says_why_it_stopped() -> None:
    found = Script(opinion=model()).run(funnel(SOURCE, options=OPTIONS, prior="none", confident=1.0))
    assert [r.get("option") for r in found.rounds] == ["four", "ten", None]
    assert found.rounds[-1] == {"stopped_because": "abstained", "rounds": 3}
    assert found.best is found.ended[0]


def test_bad_input() -> None:
    for field, wrong in (
        ("options", ()),
        ("options", ("a", "a")),
        ("options", tuple("abcdefghijklmnopqrstuvwxyz")),
        ("confident", 1.5),
        ("least", -0.1),
        ("template", "x"),
        ("option", "{label}"),
        ("label", "x"),
    ):
        with pytest.raises(BadInput, match=field):
            run("choice-funnel", **{field: wrong})
    with pytest.raises(UnknownName, match="did you mean 'cyclic'"):
        run("choice-funnel", prior="cycles")
