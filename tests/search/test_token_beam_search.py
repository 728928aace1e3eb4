"""Beam search over tokens: against all texts, greedy, and its options."""

import math
from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Budget
from ramify.verify.toys import TARGET
from tests.search.runs import best, run, selection
from tests.toys import prompt

NAME = "token-beam-search"


def logprob(tokens: list[int], num_prompt: int) -> float:
    rows = range(num_prompt, len(tokens))
    return sum(float(TARGET.logits(tokens[:at]).log_softmax(-1)[tokens[at]]) for at in rows)


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("length_penalty", [-1.0, 0.0, 1.0])
def test_scores_are_log_probabilities_over_lengths(width: int, length_penalty: float) -> None:
    chosen = selection(run(NAME, width=width, length_penalty=length_penalty))
    for ended in chosen.ended:
        length = ended.branch.num_generated
        want = logprob(ended.branch.tokens, ended.branch.num_prompt) / length**length_penalty
        assert ended.score == pytest.approx(want, abs=1e-9)
    finished = [e.score for e in chosen.ended if e.branch.done]
    assert chosen.best.score == max(finished)  # type: ignore[type-var]


def test_one_beam_is_greedy() -> None:
    for tokens in ((1, 2), (2, 2, 1), (1,)):
        source = prompt(*tokens, max_tokens=9, ignore_eos=False)
        assert best(run(NAME, source=source, width=1, length_penalty=0.0)) == best(run("greedy", source=source))


def test_more_beams_find_what_greedy_misses() -> None:
    """Never less likely here, and more likely for some prompt."""
    gains = []
    for tokens in ((1, 2), (2, 2, 1), (1,), (2, 1)):
        source = prompt(*tokens, max_tokens=9)
        wide, narrow = (selection(run(NAME, source=source, width=width, length_penalty=0.0)) for width in (8, 1))
        gains.append((wide.best.score or 0.0) - (narrow.best.score or 0.0))
    assert min(gains) >= 0.0 and max(gains) > 0.1


def test_early_stopping_stops_earlier() -> None:
    stops: tuple[bool | str, ...] = (True, False, "never")
    lengths = [len(selection(run(NAME, width=3, early_stopping=stop)).rounds) for stop in stops]
    assert lengths[0] < lengths[2] and lengths == sorted(lengths)


def test_tokens_are_read_once_and_counted() -> None:
    session = run(NAME, source=prompt(1, 2, max_tokens=10), width=4)
    target = session.ledger.model("target")
    assert session.ledger.recomputed_tokens == 0
    assert session.ledger.generated_tokens == 3 + 9 * 4  # three tokens there are, then four beams
    assert target.tokens <= 2 + session.ledger.generated_tokens


@pytest.mark.parametrize("tokens", [1, 2, 3, 10, 11])
def test_a_budget_ends_it_with_the_best_so_far(tokens: int) -> None:
    session = run(NAME, source=prompt(1, 2, max_tokens=10), width=3, budget=Budget(tokens=tokens))
    assert session.ledger.generated_tokens <= tokens
    assert selection(session).best.stopped_because == "budget"


def test_penalties_bias_and_stop_texts_count() -> None:
    stopped = selection(run(NAME, source=prompt(1, 2, max_tokens=10, stop=("b",)), width=3)).best
    assert stopped.stopped_because == "stop" and stopped.branch.generated[-1] == 2
    assert 2 not in best(run(NAME, source=prompt(1, 2, max_tokens=6, bad_words=("b",)), width=3))
    assert set(best(run(NAME, source=prompt(1, 2, max_tokens=6, logit_bias={1: 100.0}), width=3))) == {1}


def test_log_probabilities_are_kept_where_they_are_wanted() -> None:
    chosen = selection(run(NAME, source=prompt(1, 2, max_tokens=6, logprobs=2), width=3)).best
    assert math.fsum(each.logprob for each in chosen.branch.logprobs) / 6 == pytest.approx(chosen.score)


@pytest.mark.parametrize("options", [{"width": 0}, {"length_penalty": 1e9}, {"early_stopping": "soon"}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        run(NAME, **options)
