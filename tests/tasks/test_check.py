"""Checkers against texts that try to pass: answers hedged, half said, or said in other ways."""

import pytest

from ramify.tasks import Problem, Step, check, extract_answer, step_labels

PROBLEM = Problem(
    text="Tom has 12 apples. Mia gives him 5 more. He eats 3. How many apples does he have?",
    solution="12 + 5 = 17\n17 - 3 = 14\n#### 14",
    answer="14",
    steps=(Step("12 + 5", "17"), Step("17 - 3", "14")),
    split="train",
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("#### 42", "42"),
        ("so\n#### 42\n", "42"),
        ("####42", "42"),
        ("#### $1,234,567 dollars", "1234567"),
        ("#### -5", "-5"),
        ("#### 42.", "42"),
        ("#### 42.50", "42.50"),
        ("#### 42 or #### 43", "42"),
        ("#### 41\n#### 42", "41"),
        ("", None),
        ("42", None),
        ("####", None),
        ("#### \n42", None),
        ("#### forty-two", None),
        ("#### ?\n#### 42", None),
        ("#### 42/2", None),
        ("#### 4,2", None),
        ("#### 42e3", None),
        ("#### 42.5.1", None),
        ("#### 6*7", None),
        ("#### ٤٢", None),
        ("### 42", None),
    ],
)
def test_extract_answer(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (PROBLEM.solution, True),
        ("#### 14", True),
        ("#### 14.0", True),
        ("#### 014", True),
        ("#### 140", False),
        ("#### 1", False),
        ("#### -14", False),
        ("#### 13\n#### 14", False),
        ("the answer is 14", False),
        ("\x00#### 14", True),
        ("#### " + "9" * 5000, False),
    ],
)
def test_check(text: str, right: bool) -> None:
    assert check(PROBLEM, text) is right


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (PROBLEM.solution, [True, True, True]),
        (PROBLEM.solution + "\n", [True, True, True]),
        ("Tom has 12 + 5 = 17 apples.\nNow 17 - 3 = 14.\n#### 14", [True, True, True]),
        ("12+5=17", [True]),
        ("5 + 12 = 17", [True]),
        ("12 + 5 = 17\n3 - 17 = 14", [True, False]),
        ("12 + 5 = 18\n17 - 3 = 14\n#### 14", [False, False, False]),
        ("12 + 5 = 17\n17 - 4 = 13\n#### 14", [True, False, False]),
        ("17 - 3 = 14\n#### 14", [False, False]),
        ("12 + 5 = 17\n12 + 5 = 17\n17 - 3 = 14", [True, False, False]),
        ("#### 14", [False]),
        ("12 + 5 = 17\n#### 14", [True, False]),
        ("12 + 5 = 17\n17 - 3 = 14\n#### 15", [True, True, False]),
        ("12 + 5 = 17\n17 - 3 = 14\n#### 14\n", [True, True, True]),
        ("12 + 5 = 17\n17 - 3 = 14\n#### 14\nmore", [True, True, True, False]),
        ("12 + 5 = 17 or 12 + 5 = 18", [False]),
        ("12 + 5 = 17 = 17", [False]),
        ("112 + 5 = 17", [False]),
        ("12 + 5 = 171", [False]),
        ("12 + 5 = -17", [False]),
        ("12 + 5 = 17e3", [False]),
        ("12 + 5 = 17/1", [False]),
        ("12 + 5 = 17.", [True]),
        ("12 + 5 = 17, so far", [True]),
        ("12 + 5 = 17.5", [False]),
        ("12 + 5 = " + "17" * 5000, [False]),
        ("1" * 5000 + " + 5 = 17", [False]),
        ("2 * 12 + 5 = 17", [False]),
        ("12 + 5", [False]),
        ("", []),
        ("\n12 + 5 = 17", [False, False]),
        ("12 + 5 = 17\r\n17 - 3 = 14", [True, True]),
    ],
)
def test_step_labels(text: str, labels: list[bool]) -> None:
    assert step_labels(PROBLEM, text) == labels
