"""`ramify methods beam` printed the line break that ends a step as a line break: "step=", and a comma below it."""

import pytest
from typer.testing import CliRunner

from ramify.cli.main import app


@pytest.mark.parametrize(
    ("method", "option"),
    [("beam", "step='\\n'"), ("retrospective-resampling", "hint=''"), ("think-sum", "aggregator=product")],
)
def test_written_so_that_it_can_be_read(method: str, option: str) -> None:
    shown = CliRunner().invoke(app, ["methods", method]).stdout
    assert option in " ".join(shown.split())
