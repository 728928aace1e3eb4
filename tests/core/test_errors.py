"""The exception tree: messages name the field, the amount and the remedy."""

import pickle

import pytest

from ramify.core.errors import (
    BadInput,
    BrokenNumbers,
    Cancelled,
    Incompatible,
    OutOfPages,
    Overloaded,
    RamifyError,
    RemoteError,
    UnknownName,
)


@pytest.mark.parametrize("error", [BadInput("n", "x"), UnknownName("n", "x", ["y"]), Incompatible("a", "b", "c.")])
def test_bad_input_is_a_value_error_too(error: BadInput) -> None:
    assert isinstance(error, RamifyError)
    assert isinstance(error, ValueError)
    assert error.field in str(error)


def test_out_of_pages_says_how_much_and_what_to_do() -> None:
    error = OutOfPages(12, 3, 64)
    assert (error.needed, error.free, error.branches) == (12, 3, 64)
    assert "12 pages needed, 3 free, 64 branches alive" in str(error)
    assert "lower n" in str(error)


@pytest.mark.parametrize(("name", "hint"), [("gredy", "did you mean 'greedy'?"), ("xyz", "known: greedy, sample")])
def test_unknown_names_suggest(name: str, hint: str) -> None:
    assert hint in str(UnknownName("method", name, ["sample", "greedy"]))


def test_unknown_names_need_not_be_texts() -> None:
    assert "known: greedy" in str(UnknownName("method", 5, ["greedy"]))  # type: ignore[arg-type]


def test_nothing_is_known() -> None:
    assert "known: none" in str(UnknownName("reward model", "x", []))


def test_incompatible_names_the_pair() -> None:
    error = Incompatible("reward 'a'", "target 'b'", "Use one tokenizer.")
    assert error.pair == ("reward 'a'", "target 'b'")
    assert str(error) == "reward 'a' with target 'b': these do not compose. Use one tokenizer."


@pytest.mark.parametrize(
    "error",
    [
        BadInput("n", "x"), UnknownName("n", "x", ["y"]), Incompatible("a", "b", "c."), OutOfPages(12, 3, 64),
        BrokenNumbers(), Cancelled(), Overloaded("later"), RemoteError("no", 503),
    ],
)  # fmt: skip
def test_errors_travel_between_processes(error: RamifyError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
