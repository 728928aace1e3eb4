"""Says how big the house is at the end of every run."""

import pytest

from tests.house.sizes import census
from tests.house.source import modules


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line of numbers."""
    terminalreporter.write_line(f"The house: {census(list(modules()))}")
