"""Methods inside methods, by name, on real checkpoints."""

from collections.abc import Callable

import pytest

from ramify.api import LM
from ramify.core.errors import BadInput, UnknownName
from ramify.core.registry import lookup
from ramify.core.types import Budget

Load = Callable[..., LM]
TEXT = "the cat sat"
WISH = {"seed": 3, "max_tokens": 6, "ignore_eos": True}


def length(prompt: str, text: str) -> float:
    return sum(map(ord, text)) % 101 + len(text)


@pytest.mark.parametrize("mode", ["fast", "exact"])
def test_plain_sampling_inside_best_of_n_is_best_of_n(load: Load, mode: str) -> None:
    """Every candidate has a score, and the highest is chosen."""
    lm = load(mode=mode)
    for seed in range(4):
        wish = WISH | {"seed": seed}
        result = lm.search(TEXT, "best-of-n(n=4, each=sample)", reward=length, **wish)
        scores = [c.score for c in result.candidates]
        assert [length(TEXT, c.text) for c in result.candidates] == scores
        assert result.best.score == max(s for s in scores if s is not None)
        assert len({c.text for c in result.candidates}) > 1


def test_one_inner_search_is_that_search(load: Load) -> None:
    lm = load(mode="exact")
    inner = lm.search(TEXT, "best-of-n(n=3)", reward=length, **WISH)
    for outer in ("best-of-n", "majority-vote"):
        assert len(lm.search(TEXT, outer, n=1, each="best-of-n(n=3)", reward=length, **WISH).candidates) == 1
    assert inner.ledger.generated_tokens == 3 * 6


def test_three_deep_in_one_account(load: Load) -> None:
    lm = load()
    name = "majority-vote(n=2, each=best-of-n(n=2, each=majority-vote(n=3)))"
    result = lm.search(TEXT, name, reward=length, **WISH)
    assert result.ledger.generated_tokens == 2 * 2 * 3 * 6
    assert result.ledger.prompt_tokens == len(lm.encode(TEXT))
    assert result.ledger.recomputed_tokens == 0


def test_many_prompts_are_what_each_is(load: Load) -> None:
    lm, name = load(mode="exact"), "best-of-n(n=2, each=majority-vote(n=2))"
    together = lm.search_many([TEXT, "a dog", TEXT], name, reward=length, **WISH)
    for i, (text, result) in enumerate(zip([TEXT, "a dog", TEXT], together, strict=True)):
        assert lm.search(text, name, reward=length, **WISH | {"seed": 3 + i}).text == result.text


@pytest.mark.parametrize("tokens", [1, 5, 11])
def test_the_budget_is_the_familys(load: Load, tokens: int) -> None:
    result = load().search(
        TEXT, "majority-vote(n=3, each=best-of-n(n=2))", reward=length, budget=Budget(tokens=tokens), **WISH
    )
    assert result.ledger.generated_tokens <= tokens


@pytest.mark.parametrize(
    ("name", "options", "kind", "said"),
    [
        ("majority-vote(each=best-of-m)", {}, UnknownName, "best-of-n"),
        ("majority-vote(each=best-of-n(m=3))", {}, UnknownName, "m"),
        ("majority-vote(each=best-of-n(n=0))", {}, BadInput, "n: 0"),
        ("majority-vote(each=best-of-n(n=4)", {}, BadInput, "missing"),
        ("majority-vote(each=sample(temperature=0.5))", {}, BadInput, "each"),
        ("majority-vote(n=2)", {"n": 3}, BadInput, "beside it"),
        ("majority-vote(each=best-of-n(n=2))", {}, BadInput, "reward"),
        ("greedy(each=sample)", {}, UnknownName, "each"),
    ],
)
def test_refusals(load: Load, name: str, options: dict[str, int], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        load().search(TEXT, name, **options)


@pytest.mark.parametrize("name", ["dvts", "beam", "treebon", "spec-reason"])
def test_methods_that_do_more_than_draw_and_choose_take_no_inner_one(load: Load, name: str) -> None:
    """Their own loop would silently be left out."""
    assert lookup("method", name).select is not None
    with pytest.raises(UnknownName, match="each"):
        load().search(TEXT, name, each="sample", reward=length)
