"""The README's example, executed as it stands there."""

import re

import pytest

from tests.house.source import ROOT

EXAMPLE = re.search(r"<!-- file: example.py -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_example_in_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert EXAMPLE is not None
    space: dict[str, object] = {"__name__": "example"}
    exec(compile(EXAMPLE[1], "README.md", "exec"), space)
    assert "#### 102" in capsys.readouterr().out
    space["lm"].check()  # type: ignore[attr-defined]
