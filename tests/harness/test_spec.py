"""Methods as they are written on the command line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.core.errors import BadInput, UnknownName
from ramify.core.spec import read_value, written
from ramify.harness.spec import Spec, read_specs

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.one_of(st.booleans(), st.integers(-99, 99), st.floats(allow_nan=False, allow_infinity=False), TEXT)
OPTIONS = st.dictionaries(st.sampled_from(["alpha", "select", "top_p", "stop"]), VALUES | st.tuples(VALUES, VALUES))


def test_names_and_options() -> None:
    text = 'greedy , best-of-n( top-p = 0.9, select=weighted-majority,stop=["a,b", ")"]),sample(n=4)'
    plain, best, sample = read_specs(text)
    assert plain == Spec("greedy") and plain.label == "greedy"
    assert dict(best.options) == {"select": "weighted-majority", "stop": ("a,b", ")"), "top_p": 0.9}
    assert sample.label == "sample(n=4)" and sample.size is None
    assert best.size == "n"


@given(st.lists(st.tuples(st.sampled_from(["best-of-n", "sample"]), OPTIONS), min_size=1, max_size=3))
def test_a_label_reads_back(made: list[tuple[str, dict[str, object]]]) -> None:
    specs = list(dict.fromkeys(Spec(name, tuple(sorted(options.items()))) for name, options in made))
    assert read_specs(",".join(spec.label for spec in specs)) == specs


@given(VALUES)
def test_a_value_reads_back(value: object) -> None:
    assert read_value(written(value)) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is neither NAME nor NAME(OPTION=VALUE, ...)"),
        ("greedy,,sample", "is neither NAME"),
        ("best-of-n(n=4", "')' is missing"),
        ("best-of-n)n=4(", "')' in 'best-of-n)n=4(' closes nothing"),
        ("best-of-n(n=[4)]", "closes nothing"),
        ('best-of-n(stop="a)', "is missing"),
        ("best-of-n(n)", "'n' in best-of-n(...) is not OPTION=VALUE"),
        ("best-of-n(n=)", "is not OPTION=VALUE"),
        ("best-of-n(n=4,)", "'' in best-of-n(...) is not OPTION=VALUE"),
        ("best-of-n(n=4, n=5)", "n is given twice"),
        ("best-of-n(seed=4)", "seed is not an option of best-of-n"),
        ("best-of-n(n=4)(m=2)", "closes nothing"),
        ("greedy,greedy", "greedy is given twice"),
        ("best-of-n(n=4,top_k=3),best-of-n(top-k=3, n=4)", "is given twice"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        read_specs(text)
    assert error.value.field == "methods"


def test_an_unknown_method_names_the_near_one() -> None:
    with pytest.raises(UnknownName, match="did you mean 'best-of-n'"):
        read_specs("greedy,best-off-n(n=4)")
