"""Finished cells survive whatever ends the run."""

from pathlib import Path

import pytest

from ramify.core.errors import BadInput
from ramify.harness.journal import Cell, Journal

FIRST = Cell(("best-of-n", "", 4, 0), ({"problem": 0, "text": "a\nb\r\x00"},), ({"branches": 1, "nodes": []},))
SECOND = Cell(("greedy", "", None, 1), ({"problem": 0, "solved": 0.5},))


def test_cells_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    assert [journal.append(cell) for cell in (FIRST, SECOND)] == [FIRST, SECOND]
    again = Journal(tmp_path / "j")
    assert [again.get(cell.key) for cell in (FIRST, SECOND)] == [FIRST, SECOND]
    assert again.get(("greedy", "", None, 0)) is None and len(again) == 2


def test_a_line_that_was_cut_anywhere_is_run_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(FIRST)
    whole = (tmp_path / "j").read_bytes()
    journal.append(SECOND)
    both = (tmp_path / "j").read_bytes()
    for end in range(len(whole), len(both)):
        (tmp_path / "j").write_bytes(both[:end])
        cut = Journal(tmp_path / "j")
        assert cut.get(FIRST.key) == FIRST and cut.get(SECOND.key) is None
        cut.append(SECOND)
        assert (tmp_path / "j").read_bytes() == both


def test_damage_before_the_end_is_named(tmp_path: Path) -> None:
    (tmp_path / "j").write_text('{"key": ["a"\n{}\n')
    with pytest.raises(BadInput, match=r"j, line 1 is damaged"):
        Journal(tmp_path / "j")


def test_without_a_path_it_remembers() -> None:
    journal = Journal()
    journal.append(FIRST)
    assert journal.get(FIRST.key) == FIRST
