"""GSM8K's own file format as the same `Problem` (Cobbe et al. 2021, arXiv:2110.14168).

A line of the file is ``{"question": ..., "answer": ...}``; the answer carries its calculator marks
``<<48/2=24>>`` and ends in ``#### 72``.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from ramify.tasks.check import extract_answer
from ramify.tasks.problem import Problem, Split, Step

_MARKS = re.compile(r"<<([^<>=]*)=([^<>=]*)>>")


def parse_gsm8k(record: dict[str, str], split: Split) -> Problem:
    """One record as a Problem: the marks become its steps and leave its solution.

    ValueError when a field is missing or the answer has no ``####`` line.
    """
    missing = {"question", "answer"} - record.keys()
    if missing:
        raise ValueError(f"a GSM8K record needs question and answer, missing {sorted(missing)}")
    answer = extract_answer(record["answer"])
    if answer is None:
        raise ValueError(f"no '#### number' in the answer of {record['question'][:60]!r}")
    steps = tuple(Step(m[1].strip(), m[2].strip()) for m in _MARKS.finditer(record["answer"]))
    solution = _MARKS.sub("", record["answer"])
    return Problem(record["question"].strip(), solution, answer, steps, split)


def load_gsm8k(path: Path, split: Split = "held_out") -> Iterator[Problem]:
    """The problems of a GSM8K jsonl file in their order; ValueError names the line it failed on."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield parse_gsm8k(json.loads(line), split)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
