"""Every house rule, shown something wrong, sees it; shown the right way, says nothing."""

from collections.abc import Callable

import pytest

from tests.house.imports import hidden_problems, layer_problems, outside_problems, sibling_problems
from tests.house.marked import passage, replaced
from tests.house.sizes import census, function_lines, size_problems
from tests.house.source import Module, functions
from tests.house.wording import docstring_problems, word_problems

Rule = Callable[[Module], list[str]]

WRONG: list[tuple[Rule, str, str]] = [
    (layer_problems, "core/types", "from ramify.maths import law"),
    (layer_problems, "core/types", "from ramify import maths"),
    (layer_problems, "core/types", "import ramify"),
    (layer_problems, "search/beam", "import ramify.engine.verbs"),
    (layer_problems, "kv/pages", "from ramify.model.config import DecoderConfig"),
    (layer_problems, "cli/main", "from ramify.engine.driver import Driver"),
    (layer_problems, "api", "from ramify.cli.main import app"),
    (layer_problems, "engine/verbs", "from ramify import __version__"),
    (layer_problems, "unheard/of", "import math"),
    (layer_problems, "builtin/code", "from ramify.core.types import Branch"),
    (outside_problems, "core/types", "import numpy as np"),
    (outside_problems, "kv/pages", "from torch import Tensor"),
    (outside_problems, "search/beam", "import torch.nn.functional as F"),
    (sibling_problems, "search/beam", "from ramify.search.greedy import greedy"),
    (sibling_problems, "search/beam", "from ramify import search"),
    (sibling_problems, "speculate/drafters/ngram", "import ramify.speculate.drafters.chain"),
    (hidden_problems, "api", "def load():\n    import torch"),
    (hidden_problems, "api", "class A:\n    def load(self):\n        from math import pi"),
    (hidden_problems, "api", "from typing import TYPE_CHECKING"),
    (hidden_problems, "api", "import typing\nif typing.TYPE_CHECKING:\n    pass"),
    (hidden_problems, "api", "from importlib import import_module\nm = import_module('torch')"),
    (hidden_problems, "api", "m = __import__('torch')"),
    (hidden_problems, "kv/pages", "from . import prefix"),
    (docstring_problems, "api", "x = 1"),
    (docstring_problems, "api", '"""A module."""\ndef load(): ...'),
    (docstring_problems, "api", '"""A module."""\nclass Model:\n    x = 1'),
    (docstring_problems, "api", '"""A module."""\nasync def load(): ...'),
]

RIGHT: list[tuple[Rule, str, str]] = [
    (layer_problems, "core/types", "from ramify.core.errors import BadInput\nimport math"),
    (layer_problems, "api", "from ramify.engine.driver import Driver\nfrom ramify.train import loop"),
    (layer_problems, "cli/main", "from ramify import __version__\nfrom ramify.api import load"),
    (layer_problems, "__main__", "from ramify.cli.main import app"),
    (outside_problems, "core/types", "import math, ast\nfrom ramify.core import errors"),
    (outside_problems, "kv/stores", "import torch"),
    (sibling_problems, "search", "from ramify.search.greedy import greedy"),
    (sibling_problems, "engine/verbs", "from ramify.engine.scheduler import plan"),
    (sibling_problems, "search/beam", "from ramify.core.wants import Fork"),
    (hidden_problems, "core/registry", "def get():\n    from importlib import import_module\n    import_module('x')"),
    (hidden_problems, "api", "if True:\n    import torch"),
    (docstring_problems, "api", '"""A module."""\ndef _private(): ...\ndef load():\n    """Loads."""'),
    (docstring_problems, "api", ""),
]


def _id(case: Rule | str) -> str | None:
    return getattr(case, "__name__", None)


@pytest.mark.parametrize(("rule", "place", "text"), WRONG, ids=_id)
def test_sees_what_is_wrong(rule: Rule, place: str, text: str) -> None:
    assert rule(Module(place, text))


@pytest.mark.parametrize(("rule", "place", "text"), RIGHT, ids=_id)
def test_leaves_what_is_right(rule: Rule, place: str, text: str) -> None:
    assert rule(Module(place, text)) == []


def test_a_long_file_needs_a_reason() -> None:
    long = Module("engine/verbs", "x = 1\n" * 401)
    assert size_problems(long, "")
    assert not size_problems(long, "`engine/verbs.py` is one thought.")
    assert not size_problems(Module("engine/verbs", "x = 1\n" * 400), "")


def test_a_long_function_has_no_excuse() -> None:
    body = "    x = 1\n"
    assert size_problems(Module("api", "def f():\n" + body * 60), "api.py")
    assert not size_problems(Module("api", "def f():\n" + body * 59), "")
    assert size_problems(Module("api", "class A:\n  async def f(self):\n" + body * 60), "")


def test_a_docstring_is_no_part_of_a_function() -> None:
    [function] = functions(Module("api", 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n').tree)
    assert function_lines(function) == 2


def test_census() -> None:
    numbers = census([Module("a", "x = 1\n" * 10), Module("b", "def f():\n    pass\n"), Module("c", "")])
    assert (numbers.files, numbers.lines, numbers.median_file, numbers.functions) == (2, 12, 6, 1)


BAD_LINES = ["# TODO: later", "raise X  # FIXME", "A blazing engine", "works seamlessly.", 'open("/home/me")', "/tmp/a"]
FINE_LINES = ["https://host/home/x", "docs/work/of/art", "todo list", "a/tmp/b", "$HOME/tmp/b", "fast"]


@pytest.mark.parametrize("line", BAD_LINES)
def test_words(line: str) -> None:
    assert word_problems("README.md", f"fine\n{line}\n")


@pytest.mark.parametrize("line", FINE_LINES)
def test_words_that_may_stand(line: str) -> None:
    assert word_problems("README.md", line) == []


def test_passages() -> None:
    text = "a\n<!-- made: tree -->\nold\n<!-- end: tree -->\nb\n"
    assert passage(text, "tree") == "old"
    assert replaced(text, "tree", r"new \1") == "a\n<!-- made: tree -->\nnew \\1\n<!-- end: tree -->\nb\n"
    with pytest.raises(LookupError, match="0 passages named 'help'"):
        passage(text, "help")
    with pytest.raises(LookupError, match="2 passages"):
        replaced(text + text, "tree", "new")
