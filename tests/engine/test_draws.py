"""Log-probabilities: raw and processed, of texts and of prompts, in batches where everybody asks for something else."""

import math
from typing import Any

import pytest

from ramify.core.types import Branch, TokenLogprob
from ramify.engine.draws import draw_tokens
from ramify.engine.engine import Engine
from tests.maths import brute
from tests.toys import prompt, runner_of, toy

WISHES: dict[str, dict[str, Any]] = {
    "none": {},
    "raw": {"logprobs": 0},
    "raw with two": {"logprobs": 2, "temperature": 0.5},
    "raw, greedy": {"logprobs": 1, "temperature": 0.0},
    "processed": {"logprobs": 0, "logprobs_mode": "processed"},
    "processed with two": {"logprobs": 2, "logprobs_mode": "processed", "temperature": 0.5, "top_k": 2},
    "processed, penalised": {"logprobs": 3, "logprobs_mode": "processed", "repetition_penalty": 1.5, "top_p": 0.8},
    "processed, of the plain rule": {"logprobs": 1, "logprobs_mode": "processed"},
    "processed, greedy": {"logprobs": 1, "logprobs_mode": "processed", "temperature": 0.0},
}


def laws(engine: Engine, branch: Branch, at: int) -> tuple[list[float], list[float]]:
    """The raw and the processed law that the branch's token at `at` was drawn from, from the toy's table."""
    logits = runner_of(engine).model.logits(branch.tokens[:at])
    path = branch.tokens[branch.num_prompt : at]
    processed = brute.final_law(logits.tolist(), branch.rule, branch.tokens[: branch.num_prompt], path)
    return logits.softmax(-1).tolist(), processed


def check(engine: Engine, branch: Branch) -> None:
    asked, kept = branch.sampling.logprobs, branch.logprobs
    if asked is None:
        assert kept == []
        return
    assert [entry.token for entry in kept] == branch.generated
    for at, entry in enumerate(kept, branch.num_prompt):
        law = laws(engine, branch, at)[branch.sampling.logprobs_mode == "processed"]
        assert entry.logprob == pytest.approx(math.log(law[entry.token]))
        assert len(entry.top) == min(asked, 3)
        for (token, logprob), mass in zip(entry.top, sorted(law, reverse=True), strict=False):
            assert math.exp(logprob) == pytest.approx(law[token]) == pytest.approx(mass)


@pytest.mark.parametrize("row_budget", [512, 4])
def test_everybody_gets_what_it_asked_for(row_budget: int) -> None:
    engine = toy(num_pages=500, row_budget=row_budget)
    live = [engine.open(prompt(1, 2, 1, seed=i, **wish)) for i, wish in enumerate([*WISHES.values()] * 2)]
    engine.advance(live, 6)
    children = [child for branch in live for child in engine.fork(branch, 2)]
    engine.advance([*live, *children], 3)
    for branch in children[::2]:
        engine.truncate(branch, branch.num_prompt + 4)
    engine.advance([*live, *children], 4)
    for branch in (*live, *children):
        check(engine, branch)


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
def test_the_batch_makes_no_difference(wish: dict[str, Any]) -> None:
    engine, alone = toy(), toy()
    live = [engine.open(prompt(1, 2, 1, seed=i, **other)) for i, other in enumerate(WISHES.values())]
    branch, same = engine.open(prompt(1, 2, seed=77, **wish)), alone.open(prompt(1, 2, seed=77, **wish))
    engine.advance([*live, branch], 7)
    alone.advance([same], 7)
    assert (branch.tokens, branch.logprobs) == (same.tokens, same.logprobs)


def test_drawing_leaves_the_branches_as_they_are() -> None:
    engine = toy()
    branch = engine.prefill(prompt(1, 2, logprobs=2))
    logits_RV = runner_of(engine).logits(engine.target.frontier(branch)[None])  # type: ignore[index]
    first = draw_tokens(logits_RV, [branch], engine.draw)
    assert first == draw_tokens(logits_RV, [branch], engine.draw)
    assert (branch.logprobs, branch.generated) == ([], [])


@pytest.mark.parametrize("row_budget", [512, 3, 2, 1])
@pytest.mark.parametrize("count", [0, 2, 20])
@pytest.mark.parametrize("read_before", [False, True])
def test_prompt_logprobs(row_budget: int, count: int, read_before: bool) -> None:
    """The first token has none; the others' sum is the prompt's log-probability under the chain rule."""
    text = (1, 2, 2, 1, 2, 0, 1)
    engine = toy(row_budget=row_budget)
    if read_before:
        engine.prefill(prompt(*text))
    branch = engine.prefill(prompt(*text, prompt_logprobs=count, temperature=0.3))
    kept, model = branch.prompt_logprobs, runner_of(engine).model
    assert kept[0] is None
    want = [model.logits(text[:at]).log_softmax(-1).tolist() for at in range(1, len(text))]
    got = [entry for entry in kept if entry is not None]
    assert [entry.token for entry in got] == list(text[1:])
    assert sum(entry.logprob for entry in got) == pytest.approx(
        sum(row[t] for row, t in zip(want, text[1:], strict=True))
    )
    for entry, row in zip(got, want, strict=True):
        assert [p for _, p in entry.top] == pytest.approx(sorted(row, reverse=True)[:count])
        assert all(row[token] == pytest.approx(p) for token, p in entry.top)


def test_prompt_logprobs_of_one_token() -> None:
    branch = toy().prefill(prompt(1, prompt_logprobs=1))
    assert branch.prompt_logprobs == [None]


def test_children_see_their_parents_prompt_logprobs() -> None:
    engine = toy()
    root = engine.prefill(prompt(1, 2, prompt_logprobs=0))
    child = engine.fork(root, 1)[0]
    assert child.prompt_logprobs == root.prompt_logprobs
    assert isinstance(child.prompt_logprobs[1], TokenLogprob)


def test_penalties_are_of_ones_own_path_after_a_fork() -> None:
    engine = toy(vocab_size=6, num_pages=200)
    root = engine.prefill(
        prompt(1, 2, frequency_penalty=2.0, presence_penalty=1.0, logprobs=5, logprobs_mode="processed")
    )
    engine.advance([root], 3)
    children = engine.fork(root, 4)
    engine.advance([root, *children], 5)
    assert len({tuple(b.tokens) for b in (root, *children)}) == 5
    for branch in (root, *children):
        for at, entry in enumerate(branch.logprobs, branch.num_prompt):
            assert entry.logprob == pytest.approx(math.log(laws(engine, branch, at)[1][entry.token]))
