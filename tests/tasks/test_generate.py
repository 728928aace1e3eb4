"""Generated problems: deterministic, solvable as written, never on both sides of the split."""

import re

import pytest

from ramify.tasks import EVALUATION, TRAINING, check, generate, split_of, step_labels, stream


def test_same_arguments_same_problem() -> None:
    assert generate(3, 14, "train") == generate(3, 14, "train")
    assert generate(3, 14, "train") != generate(4, 14, "train")
    assert generate(3, 14, "train") != generate(3, 15, "train")


def test_first_problem_is_what_it_was() -> None:
    """The stream is part of the recipe: a change of the generator must be seen."""
    problem = generate(0, 4, "train")
    assert problem.text == "What is (16 / 8 + 10 - 9) * 4?"
    assert problem.solution == "16 / 8 = 2\n2 + 10 = 12\n12 - 9 = 3\n3 * 4 = 12\n#### 12"


def test_no_text_on_both_sides() -> None:
    train = {generate(seed, i, "train").text for seed in (0, 1) for i in range(1000)}
    held_out = {generate(seed, i, "held_out", EVALUATION).text for seed in (0, 2024) for i in range(300)}
    assert not train & held_out
    assert all(split_of(text) == "train" for text in train)
    assert all(split_of(text) == "held_out" for text in held_out)


@pytest.mark.parametrize("mixture", [TRAINING, EVALUATION], ids=["training", "evaluation"])
def test_canonical_solution_is_right(mixture: object) -> None:
    for i in range(400):
        problem = generate(9, i, "held_out", mixture)  # type: ignore[arg-type]
        assert 2 <= len(problem.steps) <= 6
        assert check(problem, problem.solution)
        assert step_labels(problem, problem.solution) == [True] * (len(problem.steps) + 1)
        assert problem.solution.endswith(f"\n#### {problem.answer}")


def test_steps_are_true_arithmetic_and_positive() -> None:
    for i in range(400):
        for step in generate(5, i, "train").steps:
            left, operator, right = step.expression.split()
            results = {
                "+": int(left) + int(right),
                "-": int(left) - int(right),
                "*": int(left) * int(right),
                "/": int(left) / int(right),
            }
            assert results[operator] == int(step.result) >= 2


def test_expressions_mean_what_the_steps_say() -> None:
    """Python itself reads the bare expression and agrees with the answer."""
    seen = 0
    for i in range(400):
        problem = generate(6, i, "train")
        found = re.fullmatch(r"(?:What is |Compute )?([0-9 +*/()-]+?)(?: = \?|\?|\.)", problem.text)
        if found:
            seen += 1
            assert eval(found[1]) == int(problem.answer)
    assert seen > 50


def test_texts_hold_no_line_break_and_prompt_ends_in_one() -> None:
    for i in range(100):
        problem = generate(7, i, "train")
        assert "\n" not in problem.text
        assert problem.prompt == problem.text + "\n"


def test_stream_starts_anywhere() -> None:
    source = stream(0, "held_out", start=5)
    assert [next(source), next(source)] == [generate(0, 5, "held_out"), generate(0, 6, "held_out")]
