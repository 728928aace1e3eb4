"""Problem sets: the built-in tasks, files in GSM8K's format, and a user's own JSONL.

GSM8K's format has {"question": ..., "answer": ... "#### 72"} on a line. A user's own file has {"prompt": ...} and
whatever its checker wants; without a checker it has an "answer". A prompt is a text, or a list of chat messages. Every
line of a file is read before anything is run, and a bad one is refused by its number.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ramify.api import is_right
from ramify.api import problems as held_out
from ramify.core.errors import BadInput
from ramify.harness.checkers import Check, compare_answers, file_of, load_checker, read_answer

BUILTIN = ("builtin", "builtin-hard")
BY_NUMBER = "the number behind ####"


@dataclass(frozen=True)
class Item:
    """A problem: what a model is given, what a reader is shown, and the answer if there is one."""

    prompt: Any  # a text, or chat messages
    text: str
    answer: str | None
    record: Any


@dataclass(frozen=True)
class Task:
    """Problems and the rule that says whether a text solves one. `digest` is of all that they were read from."""

    name: str
    items: tuple[Item, ...]
    check: Check
    checked_by: str
    extract: Callable[[str], Any] | None = None  # reads answers for searches that vote; None is the usual way
    digest: str = ""


def open_task(name: str, count: int, seed: int = 0, checker: str | None = None) -> Task:
    """The first `count` problems of a task.

    Args:
        name: "builtin", "builtin-hard", or a file.
        seed: of the built-in problems.
        checker: "module:function" or "file.py:function" of (record, text), for a file.

    Raises:
        BadInput: no such file, a bad line (its number is named), no problem, or a checker that cannot be loaded.
    """
    if name in BUILTIN:
        if checker is not None:
            raise BadInput("checker", f"{name} has one of its own; a checker is for a file of problems")
        return _numbered(name, held_out(count, seed, name), "")
    path = Path(name)
    records = _records(path)
    digest = _digest(path, file_of(checker))
    if records and "question" in records[0] and checker is None:
        _every_line(path, records, _gsm8k_fault)
        return _numbered(name, held_out(len(records), seed, path)[:count], digest)
    field = "question" if records and "question" in records[0] else "prompt"
    check = compare_answers if checker is None else load_checker(checker)
    _every_line(path, records, lambda record: _own_fault(record, field, checker is None))
    items = tuple(_item(record, field) for record in records[:count])
    by = checker or "the answer: the text behind ####, or the whole text where there is none; numbers as numbers"
    return Task(name, items, check, by, read_answer, digest)


def _numbered(name: str, problems: Sequence[Any], digest: str) -> Task:
    items = tuple(Item(p.prompt, p.text, p.answer, p) for p in problems)
    return Task(name, items, lambda p, text: (float(is_right(p, text)), BY_NUMBER), BY_NUMBER, None, digest)


def _records(path: Path) -> list[dict[str, Any]]:
    records = []
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        expected = "'builtin', 'builtin-hard' or a file of problems is expected"
        raise BadInput("task", f"{path} cannot be read: {error}; {expected}") from error
    for number, line in enumerate(lines if lines != [""] else [], start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput("task", f"{path}, line {number}: no JSON: {error}") from error
        if not isinstance(record, dict):
            raise BadInput("task", f'{path}, line {number}: an object is expected, as in {{"prompt": ...}}')
        records.append(record)
    if not records:
        raise BadInput("task", f"{path} has no problems")
    return records


def _every_line(path: Path, records: Sequence[Mapping[str, Any]], fault: Callable[[Mapping[str, Any]], str]) -> None:
    for number, record in enumerate(records, start=1):
        if what := fault(record):
            raise BadInput("task", f"{path}, line {number}: {what}")


def _gsm8k_fault(record: Mapping[str, Any]) -> str:
    for field in ("question", "answer"):
        if not _is_text(record.get(field)):
            return f"no text in {field!r}; GSM8K's format has question and answer, your own has prompt"
    return ""


def _own_fault(record: Mapping[str, Any], field: str, needs_answer: bool) -> str:
    prompt = record.get(field)
    messages = isinstance(prompt, list) and prompt and all(_is_message(each) for each in prompt)
    if not _is_text(prompt) and not messages:
        return f"{field!r} is to be a text, or a list of messages with role and content"
    answer = record.get("answer")
    number = isinstance(answer, int | float) and not isinstance(answer, bool)
    if needs_answer and not number and not _is_text(answer):
        return "'answer' is to be a text or a number; or give --checker module:function"
    return ""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not any("\ud800" <= c <= "\udfff" for c in value)


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and _is_text(value.get("role")) and _is_text(value.get("content"))


def _item(record: Mapping[str, Any], field: str) -> Item:
    prompt, answer = record[field], record.get("answer")
    shown = prompt.strip() if isinstance(prompt, str) else str(prompt[-1]["content"])
    if field == "question" and isinstance(prompt, str):
        prompt = shown + "\n"  # as GSM8K's problems are asked
    return Item(prompt, shown, None if answer is None else read_answer(str(answer)), record)


def _digest(*paths: Path | None) -> str:
    contents = [path.read_bytes() for path in paths if path is not None and path.is_file()]
    return blake2b(b"".join(blake2b(each).digest() for each in contents), digest_size=8).hexdigest()
