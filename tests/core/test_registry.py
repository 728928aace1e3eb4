"""Names to modules."""

from typing import Any

import pytest

from ramify.core.errors import UnknownName
from ramify.core.protocols import Method
from ramify.core.registry import TABLES, lookup, names, register


@pytest.mark.parametrize("name", names("method"))
def test_methods_are_what_they_are_called(name: str) -> None:
    method = lookup("method", name)
    assert isinstance(method, Method)
    assert method.name == name
    assert method.summary
    assert method.law
    assert method.select is None or method.select in names("select")


@pytest.mark.parametrize("name", names("select"))
def test_selection_rules_can_be_called(name: str) -> None:
    assert callable(lookup("select", name))


def test_an_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(UnknownName, match=r"method: unknown 'best_of_n'; did you mean 'best-of-n'\?"):
        lookup("method", "best_of_n")


@pytest.mark.parametrize("name", [["greedy"], {}, None, 5, b"greedy"])
def test_a_name_is_a_text(name: Any) -> None:
    with pytest.raises(UnknownName, match="method: unknown"):
        lookup("method", name)


def test_names_can_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLES, "method", dict(TABLES["method"]))
    register("method", "again", "ramify.search.greedy:METHOD")
    assert names("method")[-1] == "again"
    assert lookup("method", "again") is lookup("method", "greedy")
