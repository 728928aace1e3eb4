"""Problem files, and who says what is right."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.harness.checkers import BEHIND, WHOLE, compare_answers, load_checker
from ramify.harness.tasks import open_task

GOOD = {"prompt": "Capital of France?", "answer": "Paris"}
SUM = {"question": "What is 1 + 1?", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"}


def write(path: Path, *lines: Any) -> str:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return str(path)


def test_built_in_problems() -> None:
    task = open_task("builtin", 3)
    item = task.items[0]
    assert item.prompt == item.text + "\n"
    assert task.check(item.record, item.record.solution)[0] == 1.0
    assert task.check(item.record, "#### -1")[0] == 0.0


def test_gsm8k_format(tmp_path: Path) -> None:
    task = open_task(write(tmp_path / "a.jsonl", SUM, SUM), 1)
    [item] = task.items
    assert (item.prompt, item.answer) == ("What is 1 + 1?\n", "2")
    assert task.check(item.record, "2\n#### 2.0")[0] == 1.0


def test_a_users_own_file(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Capital of Italy?"}]
    strange = {"prompt": "a\u2028b?", "answer": 7}  # a line break to some, but not to JSON lines
    path = write(
        tmp_path / "a.jsonl", GOOD, {"prompt": chat, "answer": "Rome"}, json.dumps(strange, ensure_ascii=False)
    )
    task = open_task(path, 9)
    assert [item.text for item in task.items] == ["Capital of France?", "Capital of Italy?", "a\u2028b?"]
    assert task.items[1].prompt == chat
    assert task.check(task.items[0].record, " Paris\n") == (1.0, WHOLE)
    assert task.check(task.items[0].record, "I think\n#### Paris\nor so") == (1.0, BEHIND)
    assert "whole text" in task.checked_by and "####" in task.checked_by


@pytest.mark.parametrize(
    ("answer", "text", "right"),
    [
        ("Paris", "paris", 0),
        ("Paris", "Paris.", 0),
        ("Paris", "", 0),
        ("1,000", "so it is\n#### 1000.0", 1),
        ("so\n#### 5", "#### $5", 1),
        (5, "#### 5", 1),
        (0.5, "0.50", 1),
        ("5", "#### five\n#### 5", 0),
        ("5", "5/1", 0),
        ("5", "#### " + "9" * 9999, 0),
    ],
)
def test_the_comparison(answer: object, text: str, right: int) -> None:
    assert compare_answers({"answer": answer}, text)[0] == right


OWN_BAD = [
    ("{", "no JSON"),
    ("", "no JSON"),
    ("[1]", "an object is expected"),
    ({"answer": "x"}, "'prompt' is to be a text"),
    ({"prompt": " ", "answer": "x"}, "'prompt' is to be a text"),
    ({"prompt": [], "answer": "x"}, "'prompt' is to be a text"),
    ({"prompt": [{"role": "user"}], "answer": "x"}, "'prompt' is to be a text"),
    ({"prompt": "\ud800", "answer": "x"}, "'prompt' is to be a text"),
    ({"prompt": "x"}, "'answer' is to be a text or a number; or give --checker"),
    ({"prompt": "x", "answer": True}, "'answer' is to be a text or a number"),
    (SUM, "'prompt' is to be a text"),
]


@pytest.mark.parametrize(("line", "message"), OWN_BAD)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    path = write(tmp_path / "a.jsonl", GOOD, GOOD, line)
    with pytest.raises(BadInput, match=re.escape(message)) as error:
        open_task(path, 1)  # although one problem would do
    assert f"{path}, line 3: " in str(error.value)


@pytest.mark.parametrize(
    "line", [GOOD, {"question": "x", "answer": "no mark"}, {"question": 1, "answer": "#### 1"}, ""]
)
def test_a_bad_line_of_gsm8k_is_named(tmp_path: Path, line: Any) -> None:
    path = write(tmp_path / "a.jsonl", SUM, line)
    with pytest.raises(BadInput, match=r"line 2"):
        open_task(path, 1)


def test_no_problems(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no problems"):
        open_task(write(tmp_path / "a.jsonl"), 1)
    with pytest.raises(BadInput, match="cannot be read"):
        open_task(str(tmp_path), 1)


CHECKER = """
def close(record, text):
    return 1 - abs(record["goal"] - len(text)) / 10

def right(record, text):
    return record["goal"] == len(text)

def wrong(record, text):
    return record["gaol"]

def silent(record, text):
    pass

number = 3
"""


def test_a_checker_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CHECKER)
    path = write(tmp_path / "a.jsonl", {"prompt": "Five letters!", "goal": 5})
    task = open_task(path, 1, checker=f"{tmp_path / 'mine.py'}:close")
    assert task.check(task.items[0].record, "1234")[0] == 0.9
    assert task.items[0].answer is None
    other = open_task(path, 1, checker=f"{tmp_path / 'mine.py'}:right")
    assert other.check(task.items[0].record, "12345")[0] == 1.0
    (tmp_path / "mine.py").write_text(CHECKER + "\n# changed\n")
    assert open_task(path, 1, checker=f"{tmp_path / 'mine.py'}:close").digest != task.digest


def test_a_checker_of_a_module() -> None:
    check = load_checker("operator:contains")
    assert check({"x": 1}, "x")[0] == 1.0 and check({"x": 1}, "y")[0] == 0.0


@pytest.mark.parametrize("name", ["wrong", "silent"])
def test_a_checker_that_fails_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.py").write_text(CHECKER)
    check = load_checker(f"{tmp_path / 'mine.py'}:{name}")
    with pytest.raises(BadInput, match=rf"checker: .*{name} (raised KeyError|returned None)"):
        check({"goal": 1}, "x")


@pytest.mark.parametrize("name", ["mine.py", ":f", "none.py:f", "no.such.module:f", "mine.py:none", "mine.py:number"])
def test_a_checker_that_is_not_there(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CHECKER)
    with pytest.raises(BadInput) as error:
        load_checker(name)
    assert error.value.field == "checker"


def test_a_built_in_task_has_its_own_checker() -> None:
    with pytest.raises(BadInput, match="builtin has one of its own"):
        open_task("builtin", 1, checker="operator:contains")
