"""Every method's and guide's own example runs on the built-in models, as it stands in the help."""

import json
import shlex

import pytest
from typer.testing import CliRunner

from ramify.cli.main import app
from ramify.core.registry import lookup, names

EXAMPLES = {f"{kind} {name}": lookup(kind, name).example for kind in ("method", "guide") for name in names(kind)}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_the_example_runs(example: str) -> None:
    program, *words = shlex.split(example)
    assert program == "ramify"
    done = CliRunner().invoke(app, [*words, "--seed", "0", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout.splitlines()[-1])
    assert document["rows"]
    assert document["text"]
    assert document["ledger"]["recomputed_tokens"] == 0


def test_there_is_much_to_choose_from() -> None:
    methods = [lookup("method", name) for name in names("method")]
    assert len(methods) >= 25
    assert all(m.paper and m.law and m.needs and m.summary and m.example for m in methods)
