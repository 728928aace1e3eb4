"""GSM8K's format as the same Problem; its real file where the machine has it."""

import json
from pathlib import Path

import pytest

from ramify.tasks import check, load_gsm8k, parse_gsm8k

FILE = Path(__file__).parents[3] / "shared" / "assets" / "eval" / "gsm8k" / "test.jsonl"
RECORD = {
    "question": "A robe takes 2 bolts of blue fiber and half that much white fiber. How many?",
    "answer": "It takes 2/2=<<2/2=1>>1 bolt of white\nSo the total is 2+1=<<2+1=3>>3 bolts\n#### 3",
}


def test_parse() -> None:
    problem = parse_gsm8k(RECORD, "held_out")
    assert problem.answer == "3"
    assert [step.equation for step in problem.steps] == ["2/2 = 1", "2+1 = 3"]
    assert problem.solution == "It takes 2/2=1 bolt of white\nSo the total is 2+1=3 bolts\n#### 3"
    assert check(problem, problem.solution)


@pytest.mark.parametrize("missing", ["question", "answer"])
def test_missing_field_is_named(missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        parse_gsm8k({k: v for k, v in RECORD.items() if k != missing}, "train")


def test_error_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    lines = [RECORD, {"question": "?", "answer": "no mark"}]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with pytest.raises(ValueError, match="line 2"):
        list(load_gsm8k(path))


@pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not on this machine")
def test_real_file() -> None:
    problems = list(load_gsm8k(FILE))
    assert len(problems) == 1319
    assert all(check(problem, problem.solution) for problem in problems)
    assert all("<<" not in problem.solution for problem in problems)
    assert not check(problems[0], problems[1].solution)
