"""The rewards, by cases."""

import math
from typing import Any

import pytest

from ramify.core.errors import UnknownName
from ramify.core.protocols import View
from ramify.core.types import Branch, TokenLogprob
from ramify.reward.checker import Checker
from ramify.reward.logprob import MeanLogprob
from ramify.reward.outcome import OutcomeReward
from ramify.reward.process import ProcessReward
from tests.engine.scripts import Words
from tests.toys import prompt, toy

WORDS = Words("x", "y\n", "\n", "a", "b", "y\nz", "")


def view(*tokens: int, values: tuple[float, ...] = (), logprobs: tuple[float, ...] = (), **sampling: Any) -> View:
    branch: Branch = toy(vocab_size=7).open(prompt(1, 1, **sampling))
    branch.tokens += tokens
    branch.logprobs += [TokenLogprob(token, p) for token, p in zip(tokens, logprobs, strict=False)]
    return View(branch, "the prompt", WORDS.decode(tokens), values)


def test_a_checker_sees_prompt_and_text() -> None:
    seen = []
    reward = Checker(lambda prompt, text: seen.append((prompt, text)) or 0.25)  # type: ignore[func-returns-value]
    assert (reward.partial(view(0, 3)), reward.final(view(3, 4))) == (0.25, 0.25)
    assert seen == [("the prompt", "xa"), ("the prompt", "ab")]
    assert (reward.name, reward.model, reward.needs_logprobs) == ("checker", None, False)


def test_mean_logprob() -> None:
    reward = MeanLogprob()
    assert reward.final(view(0, 3, 4, logprobs=(-1.0, -2.0, -6.0))) == -3.0
    assert reward.partial(view()) == 0.0
    assert reward.needs_logprobs


def test_mean_logprob_of_a_branch_that_keeps_none() -> None:
    with pytest.raises(ValueError, match="logprobs=0"):
        MeanLogprob().partial(view(0, 3))


def test_mean_logprob_does_not_prefer_short_texts() -> None:
    short, long = view(0, logprobs=(-1.1,)), view(0, 0, 0, logprobs=(-1.0, -1.0, -1.0))
    assert MeanLogprob().final(long) > MeanLogprob().final(short)


def test_an_outcome_is_the_value_at_the_end() -> None:
    reward = OutcomeReward("orm", "orm")
    assert reward.final(view(0, 3, values=(0.5, -2.0))) == -2.0
    assert reward.partial(view()) == 0.0


@pytest.mark.parametrize(
    ("reduce", "want"),
    [("min", -3.0), ("last", 7.0), ("mean", (5.0 - 3.0 + 7.0) / 3)],
)
def test_a_process_is_its_steps(reduce: Any, want: float) -> None:
    """x "y\\n" a "\\n" b: the values at the two line breaks and at the last token."""
    reward = ProcessReward("prm", "prm", WORDS, reduce)
    shown = view(0, 1, 3, 2, 4, values=(-9.0, 5.0, -8.0, -3.0, 7.0))
    assert reward.steps(shown) == [5.0, -3.0, 7.0]
    assert reward.partial(shown) == reward.final(shown) == pytest.approx(want)


def test_a_step_that_ends_the_text_counts_once() -> None:
    reward = ProcessReward("prm", "prm", WORDS)
    assert reward.steps(view(0, 2, values=(1.0, 2.0))) == [2.0]
    assert reward.steps(view(0, 5, 3, values=(1.0, 2.0, 3.0))) == [2.0, 3.0]  # a break inside a token
    assert reward.steps(view()) == []
    assert reward.partial(view()) == 0.0


def test_an_unknown_way_of_reducing() -> None:
    with pytest.raises(UnknownName, match=r"reduce: unknown 'meen'; did you mean 'mean'"):
        ProcessReward("prm", "prm", WORDS, "meen")  # type: ignore[arg-type]


def test_lines_are_found_once() -> None:
    calls: list[int] = []

    class Counting(Words):
        def decode(self, ids: Any) -> str:
            calls.append(ids[0])
            return super().decode(ids)

    reward = ProcessReward("prm", "prm", Counting(*WORDS.words))
    for _ in range(5):
        reward.partial(view(0, 1, 0, 1, 3, values=(1.0,) * 5))
    assert sorted(calls) == [0, 1]


def test_equal_rewards_are_equal() -> None:
    a, b = (ProcessReward("prm", "prm", WORDS) for _ in range(2))
    a.partial(view(0, 1, values=(1.0, 2.0)))
    assert a == b
    assert math.isfinite(a.partial(view(0, values=(1.0,))))
