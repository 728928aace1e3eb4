"""The house as it stands keeps its own rules."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house.documents import PASSAGES, Passage
from tests.house.imports import hidden_problems, layer_problems, outside_problems, sibling_problems
from tests.house.marked import passage
from tests.house.sizes import size_problems
from tests.house.source import ROOT, Module, modules
from tests.house.wording import docstring_problems, shipped_texts, word_problems

RULES = (layer_problems, outside_problems, sibling_problems, hidden_problems, docstring_problems)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package(rule: Callable[[Module], list[str]]) -> None:
    assert not [problem for module in modules() for problem in rule(module)]


@pytest.mark.parametrize("folder", ["ramify", "tests"])
def test_sizes(folder: str) -> None:
    decisions = "\n".join(path.read_text() for path in (ROOT / "docs/decisions").glob("*.md"))
    assert not [problem for module in modules(ROOT / folder) for problem in size_problems(module, decisions)]


def test_words() -> None:
    assert not [problem for place, text in shipped_texts() for problem in word_problems(place, text)]


@pytest.mark.parametrize("made", PASSAGES, ids=lambda made: f"{made.document}:{made.name}")
def test_generated_passages_are_fresh(made: Passage) -> None:
    text = Path(ROOT / made.document).read_text()
    assert passage(text, made.name) == made.make().strip("\n"), "run `make docs`"
