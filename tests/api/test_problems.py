"""Problems by name, or out of a file."""

from pathlib import Path

import pytest

from ramify.api import problems
from ramify.core.errors import BadInput


def test_the_hard_ones_take_more_steps() -> None:
    usual, hard = (problems(40, 0, task) for task in ("builtin", "builtin-hard"))
    assert all(p.split == "held_out" for p in (*usual, *hard))
    assert sum(len(p.steps) for p in hard) > sum(len(p.steps) for p in usual)
    assert [p.text for p in problems(3, 0, "builtin-hard")] == [p.text for p in hard[:3]]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="builtin-hard"):
        problems(3, 0, tmp_path / "none.jsonl")
