"""`load`, `search`, `search_many` and the verbs by hand, on a small model with a real tokenizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ramify
from ramify.api import LM, advance_together
from ramify.core.errors import BadInput, CheckpointError, Incompatible, OutOfPages, RewardError, UnknownName
from ramify.core.registry import lookup, names
from ramify.core.results import Result
from ramify.core.types import Budget

Load = Callable[..., LM]
PROMPTS = ["the bee", "a cat and a tall tree", "the bee", "", "every good thing. the"]
TEXT = "the hall"


def ids(result: Result) -> list[tuple[int, ...]]:
    return [c.token_ids for c in result.candidates]


def by_length(prompt: str, text: str) -> float:
    return float(len(text))


def test_a_result_is_complete(load: Load, models: Path) -> None:
    lm = load()
    result = lm.search(TEXT, "best-of-n", n=5, reward=models / "orm", max_tokens=12, seed=3, logprobs=2)
    assert (result.method, result.seed, result.text) == ("best-of-n", 3, result.best.text)
    assert result.best in result.candidates
    assert len(result.candidates) == 5
    assert result.best.score == max(c.score for c in result.candidates)  # type: ignore[type-var]
    prompt = lm.encode(TEXT)
    for candidate in result.candidates:
        assert candidate.tokens == len(candidate.token_ids) == len(candidate.logprobs) <= 12
        assert candidate.stopped_because in ("stop", "length")
        assert candidate.text == lm.tokenizer.continuation(prompt, candidate.token_ids)
    assert result.ledger.generated_tokens == sum(c.tokens for c in result.candidates)
    assert result.ledger.model(str(models / "orm")).tokens == len(prompt) + result.ledger.generated_tokens
    assert [node.parent for node in result.tree] == [None] * 5
    assert sum(node.best for node in result.tree) == 1
    assert all(node.forked_at == 0 and node.length <= 12 for node in result.tree)


@pytest.mark.parametrize("name", names("method"))
def test_every_method(name: str, load: Load, models: Path) -> None:
    lm, method = load(), lookup("method", name)
    options: dict[str, Any] = dict.fromkeys(method.models, str(models / "target"))
    options |= {"reward": models / "prm", "seed": 1, "max_tokens": 10}
    options |= ({method.size: 4} if method.size else {}) | ({"budget": Budget(pages=20)} if method.uses_room else {})
    result, again = (lm.search(TEXT, name, **options) for _ in "12")
    assert ids(result) == ids(again)
    assert result.method == name
    assert [c.score for c in result.candidates] == pytest.approx([c.score for c in again.candidates], abs=1e-3)


def test_prompt_i_of_seed_s_is_a_search_of_seed_s_plus_i(load: Load) -> None:
    lm = load(mode="exact")
    together = lm.search_many(PROMPTS, "sample", n=2, seed=40, max_tokens=9)
    alone = [lm.search(prompt, "sample", n=2, seed=40 + i, max_tokens=9) for i, prompt in enumerate(PROMPTS)]
    assert [ids(r) for r in together] == [ids(r) for r in alone]
    assert [r.seed for r in together] == [40, 41, 42, 43, 44]
    assert ids(together[0]) != ids(together[2])


@pytest.mark.parametrize("method", ["best-of-n", "speculative-rejection", "majority-vote"])
def test_together_is_alone_in_exact_mode(method: str, load: Load, models: Path) -> None:
    lm = load(mode="exact", row_budget=17)
    options: dict[str, Any] = {"n": 6, "reward": models / "orm", "max_tokens": 16}
    options |= {"budget": Budget(pages=16)} if method == "speculative-rejection" else {}
    together = lm.search_many(PROMPTS * 3, method, seed=7, **options)
    for i, prompt in enumerate(PROMPTS * 3):
        fresh = load(mode="exact")
        alone = fresh.search(prompt, method, seed=7 + i, **options)
        assert ids(alone) == ids(together[i])
        assert [c.score for c in alone.candidates] == [c.score for c in together[i].candidates]
        assert alone.rounds == together[i].rounds
        assert alone.best == together[i].best


def test_no_seed_is_another_seed_each_time_and_is_reported(load: Load) -> None:
    lm = load(mode="exact")
    first, second = (lm.search(TEXT, max_tokens=12) for _ in range(2))
    assert first.seed != second.seed
    assert ids(lm.search(TEXT, max_tokens=12, seed=first.seed)) == ids(first)


def test_prompts_are_texts_or_ids(load: Load) -> None:
    lm = load(mode="exact")
    text = lm.search(TEXT, seed=1, max_tokens=5)
    assert ids(lm.search(lm.encode(TEXT), seed=1, max_tokens=5)) == ids(text)
    assert ids(lm.search(tuple(lm.encode(TEXT)), seed=1, max_tokens=5)) == ids(text)
    begin = lm.tokenizer.begin_id
    assert ids(lm.search("", seed=1, max_tokens=5)) == ids(lm.search([begin], seed=1, max_tokens=5))  # type: ignore[list-item]


def test_nothing_to_do(load: Load) -> None:
    assert load().search_many([], seed=1) == []


def test_rewards_by_function_name_folder_and_object(load: Load, models: Path) -> None:
    lm = load()
    options: dict[str, Any] = {"n": 4, "seed": 2, "max_tokens": 8}
    result = lm.search(TEXT, "best-of-n", reward=by_length, **options)
    assert [c.score for c in result.candidates] == [len(c.text) for c in result.candidates]
    confident = lm.search(TEXT, "best-of-n", reward="logprob", **options)
    means = [sum(e.logprob for e in c.logprobs) / c.tokens for c in confident.candidates]
    assert [c.score for c in confident.candidates] == pytest.approx(means)
    folder = [c.score for c in lm.search(TEXT, "best-of-n", reward=models / "orm", **options).candidates]
    named = [c.score for c in lm.search(TEXT, "best-of-n", reward=str(models / "orm"), **options).candidates]
    object_ = [c.score for c in lm.search(TEXT, "best-of-n", reward=lm.reward(models / "orm"), **options).candidates]
    assert folder == pytest.approx(named, abs=1e-3)
    assert folder == pytest.approx(object_, abs=1e-3)
    assert len(lm.engine.others) == 1  # loaded once
    process = lm.search(TEXT, "best-of-n", reward=models / "prm", **options)
    assert process.candidates[0].score != folder[0]


def test_one_reward_for_each_prompt(load: Load) -> None:
    lm = load()
    results = lm.search_many(["a", "b"], "best-of-n", n=3, seed=1, max_tokens=4, reward=[by_length, lambda p, t: -1.0])
    assert [c.score for c in results[1].candidates] == [-1.0] * 3
    with pytest.raises(BadInput, match="reward: 1 rewards for 2 prompts"):
        lm.search_many(["a", "b"], "best-of-n", reward=[by_length])


def test_prompt_logprobs_come_with_the_result(load: Load) -> None:
    lm = load()
    result = lm.search(TEXT, n=2, seed=1, max_tokens=3, prompt_logprobs=1)
    assert [e and e.token for e in result.prompt_logprobs] == [None, *lm.encode(TEXT)[1:]]


def test_answers_are_extracted(load: Load) -> None:
    result = load().search(TEXT, "majority-vote", n=5, seed=1, max_tokens=4, extract=lambda text: len(text) % 2)
    assert all(c.answer == len(c.text) % 2 for c in result.candidates)


def test_progress_counts_searches(load: Load) -> None:
    seen: list[tuple[int, int]] = []
    load().search_many(PROMPTS, seed=1, max_tokens=3, progress=lambda over, all_: seen.append((over, all_)))
    assert seen[-1] == (5, 5)


def test_the_verbs_by_hand(load: Load, models: Path) -> None:
    lm = load(mode="exact")
    root = lm.prefill("once the", seed=5, max_tokens=30)
    a, b = root.fork(2)
    a.advance(4)
    b.advance(4)
    assert (len(a.tokens), a.text) == (4, lm.tokenizer.continuation(lm.encode("once the"), a.tokens))
    first = a.tokens
    assert a.score(models / "orm") == a.score(str(models / "orm"))
    assert a.score(by_length) == len(a.text)
    a.truncate(2).advance(2)
    assert a.tokens == first
    c, d = a.fork(2)
    advance_together([a, b, c, d], 3)
    assert c.tokens[:4] == d.tokens[:4] == first
    assert len({tuple(x.tokens) for x in (a, c, d)}) == 3
    assert root.tokens == []
    assert root.ledger is d.ledger
    assert d.ledger.forks == 4
    advance_together([])
    lm.check()
    for handle in (root, a, b, c, d):
        handle.drop()
        handle.drop()


def test_a_handle_leaves_with_its_with(load: Load) -> None:
    lm = load()
    with lm.prefill(TEXT, seed=1) as handle:
        handle.advance(2)
        assert lm.engine.branches
    assert not lm.engine.branches


def test_a_search_equals_the_verbs(load: Load) -> None:
    """A search forks its branches off the prompt; so does a hand."""
    lm = load(mode="exact")
    result = lm.search(TEXT, "sample", n=3, seed=9, max_tokens=7)
    children = lm.prefill(TEXT, seed=9, max_tokens=7).fork(3)
    advance_together(children, 7)
    assert [tuple(child.tokens) for child in children] == ids(result)


def test_a_handle_survives_a_search_beside_it(load: Load) -> None:
    lm, other = load(mode="exact", kv_gib=0.0005), load(mode="exact")
    handle, alone = (x.prefill(TEXT, seed=4, temperature=1.0) for x in (lm, other))
    handle.advance(6)
    lm.search_many(["the bee"] * 6, "sample", n=6, seed=1, max_tokens=40)
    handle.advance(6)
    alone.advance(12)
    assert handle.tokens == alone.tokens
    assert handle.ledger.recomputed_tokens > 0


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"method": "best_of_n"}, UnknownName, "method: unknown 'best_of_n'; did you mean 'best-of-n'"),
    ({"method": 5}, UnknownName, "method: unknown 5"),
    ({"temprature": 1.0}, UnknownName, "option: unknown 'temprature'; did you mean 'temperature'"),
    ({"method": "best-of-n", "reward": by_length, "alpha": 0.5}, UnknownName, "option: unknown 'alpha'"),
    ({"n": 0}, BadInput, "n: 0 is outside 1"),
    ({"n": 10**9}, BadInput, "n: 1000000000 is outside 1"),
    ({"n": True}, BadInput, "n: True is not a whole number"),
    ({"n": 1.5}, BadInput, "n: 1.5 is not a whole number"),
    ({"temperature": float("nan")}, BadInput, "temperature: nan"),
    ({"top_p": 0}, BadInput, "top_p: 0 keeps no token"),
    ({"top_p": 1.5}, BadInput, "top_p: 1.5 is outside"),
    ({"max_tokens": 0}, BadInput, "max_tokens: 0"),
    ({"logit_bias": {10**6: 1.0}}, BadInput, "logit_bias: token 1000000 is not in a vocabulary"),
    ({"stop_token_ids": (10**6,)}, BadInput, "stop_token_ids: token 1000000"),
    ({"seed": 1.5}, BadInput, "seed: 1.5"),
    ({"seed": "1"}, BadInput, "seed: '1'"),
    ({"stop": ""}, BadInput, "stop: a tuple is expected"),
    ({"stop": ("",)}, BadInput, "stop: texts are expected"),
    ({"logit_bias": None}, BadInput, "logit_bias: a mapping"),
    ({"budget": 4000}, BadInput, "budget: ramify.Budget"),
    ({"method": "best-of-n"}, BadInput, "reward: best-of-n ranks by one"),
    ({"method": "best-of-n", "reward": "builtin-pmr"}, UnknownName, "did you mean 'builtin-prm'"),
    ({"method": "best-of-n", "reward": "no/such/folder"}, UnknownName, "reward: unknown 'no/such/folder'"),
    ({"method": "best-of-n", "reward": 5}, BadInput, "reward: 5 is neither a name, nor a folder, nor a function"),
    ({"method": "best-of-n", "reward": by_length, "select": "bset"}, UnknownName, "did you mean 'best'"),
    ({"method": "best-of-n", "reward": by_length, "select": 5}, BadInput, "select: 5 is neither"),
    ({"method": "best-of-n", "reward": lambda p, t: float("nan")}, RewardError, "returned nan"),
    ({"method": "best-of-n", "reward": lambda p, t: 1 / 0}, RewardError, "raised ZeroDivisionError"),
    ({"method": "best-of-n", "reward": lambda p, t: "good"}, RewardError, "returned 'good'"),
    ({"method": "best-of-n", "reward": lambda p, t: None}, RewardError, "returned None"),
    ({"method": "best-of-n", "reward": lambda p, t: [1.0]}, RewardError, r"returned \[1.0\]"),
    ({"method": "best-of-n", "reward": lambda p, t: float("inf")}, RewardError, "returned inf"),
    ({"method": "speculative-rejection", "reward": by_length, "alpha": -0.5}, BadInput, "alpha: -0.5"),
    ({"method": "speculative-rejection", "reward": by_length, "alpha": float("nan")}, BadInput, "alpha: nan"),
    ({"method": "speculative-rejection", "reward": by_length, "budget": Budget(pages=10**6)}, BadInput, "budget.pages"),
    (
        {"prompt": "a tall tree", "method": "speculative-rejection", "reward": by_length, "budget": Budget(pages=1)},
        OutOfPages,
        "2 pages needed, 1 free, 64 branches alive",
    ),
    ({"prompt": "the " * 300}, BadInput, "leave no room in a context of 256"),
    ({"prompt": 5}, BadInput, "prompt: a text, token ids, or chat messages"),
    ({"prompt": None}, BadInput, "prompt: a text"),
    ({"prompt": b"the"}, BadInput, "prompt: a text"),
    ({"prompt": [1.5]}, BadInput, "prompt: a text, token ids"),
    ({"prompt": [True]}, BadInput, "prompt: a text, token ids"),
    ({"prompt": ["the"]}, BadInput, "prompt: a text, token ids"),
    ({"prompt": [10**6]}, BadInput, "prompt: token 1000000"),
    ({"prompt": [-1]}, BadInput, "prompt: token -1"),
]


@pytest.mark.parametrize(("options", "kind", "match"), BAD, ids=lambda x: str(x)[:40] if isinstance(x, dict) else "")
def test_bad_input(options: dict[str, Any], kind: type[Exception], match: str, load: Load) -> None:
    """One clear error that names the field; the books balance and the model goes on working."""
    lm = load()
    options = dict(options)
    with pytest.raises(kind, match=match) as caught:
        lm.search(options.pop("prompt", TEXT), options.pop("method", "sample"), **({"max_tokens": 4} | options))
    assert isinstance(caught.value, ramify.RamifyError)
    assert not lm.engine.branches
    lm.check()
    assert lm.search(TEXT, seed=1, max_tokens=2).best.tokens > 0


@pytest.mark.parametrize("prompts", ["the bee", None, 5, (x for x in ["a"])])
def test_many_prompts_are_a_list(prompts: Any, load: Load) -> None:
    with pytest.raises(BadInput, match="prompts: a list of prompts is expected"):
        load().search_many(prompts)


def test_an_empty_prompt_without_a_begin_token(load: Load) -> None:
    lm = load("mute")
    with pytest.raises(BadInput, match="prompt: it is empty, and this model has no begin token"):
        lm.search("", max_tokens=3)
    with pytest.raises(BadInput, match="prompt: it is empty"):
        lm.prefill("")


def test_a_reward_with_another_tokenizer(load: Load, models: Path) -> None:
    lm = load()
    with pytest.raises(Incompatible, match="these do not compose") as caught:
        lm.search(TEXT, "best-of-n", n=2, reward=models / "other", max_tokens=3)
    assert str(models / "other") in caught.value.pair[0]
    assert not lm.engine.others


def test_a_reward_without_a_value_head(load: Load, models: Path) -> None:
    with pytest.raises(CheckpointError, match="no value head"):
        load().search(TEXT, "best-of-n", n=2, reward=models / "target", max_tokens=3)


def test_a_reward_with_a_shorter_context(load: Load, models: Path) -> None:
    lm = load()
    lm.search(TEXT, "best-of-n", n=2, reward=models / "short", max_tokens=3)
    with pytest.raises(BadInput, match="reads 24 tokens"):
        lm.search(TEXT, "best-of-n", n=2, reward=models / "short", max_tokens=40, ignore_eos=True)


def test_a_reward_model_is_a_model_too(load: Load) -> None:
    assert load("orm").search(TEXT, seed=1, max_tokens=4).best.tokens > 0


def test_an_error_of_one_prompt_is_raised_after_the_others_have_ended(load: Load) -> None:
    lm, scored = load(), list[str]()

    def reward(prompt: str, text: str) -> float:
        scored.append(prompt)
        if "bee" in prompt:
            raise RuntimeError("stung")
        return 0.0

    with pytest.raises(RewardError, match="stung"):
        lm.search_many(["the bee", "the tree"], "best-of-n", n=3, seed=1, max_tokens=5, reward=reward)
    assert sum("tree" in prompt for prompt in scored) == 3


def test_ctrl_c(load: Load) -> None:
    lm = load()

    def interrupt(prompt: str, text: str) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lm.search(TEXT, "best-of-n", n=4, max_tokens=5, reward=interrupt)
    assert not lm.engine.branches
    lm.check()
    assert lm.search(TEXT, seed=1, max_tokens=2).best.tokens > 0
    handle = lm.prefill(TEXT, seed=1, ignore_eos=True).advance(2)
    with pytest.raises(KeyboardInterrupt):
        handle.score(interrupt)
    assert handle.advance(1).score(by_length) == len(handle.text)


HANDLES: dict[str, tuple[Callable[[ramify.Handle], Any], str]] = {
    "fork 0": (lambda h: h.fork(0), "n: 0"),
    "fork True": (lambda h: h.fork(True), "n: True"),
    "advance -1": (lambda h: h.advance(-1), "n: -1"),
    "truncate -1": (lambda h: h.truncate(-1), "length: -1 is outside 0 to 3"),
    "truncate 4": (lambda h: h.truncate(4), "length: 4 is outside 0 to 3"),
    "truncate True": (lambda h: h.truncate(True), "length: True"),
    "score by nothing": (lambda h: h.score(None), "reward: None"),  # type: ignore[arg-type]
    "score by logprob without logprobs": (lambda h: h.score("logprob"), "logprobs=0"),
}


@pytest.mark.parametrize(("use", "match"), HANDLES.values(), ids=HANDLES)
def test_bad_use_of_a_handle(use: Callable[[ramify.Handle], Any], match: str, load: Load) -> None:
    handle = load().prefill(TEXT, seed=1, ignore_eos=True)
    handle.advance(3)
    with pytest.raises(ramify.RamifyError, match=match):
        use(handle)
    handle.advance(1)


@pytest.mark.parametrize("use", ["fork", "advance", "truncate", "score"])
def test_a_dropped_handle(use: str, load: Load) -> None:
    handle = load().prefill(TEXT, seed=1)
    handle.drop()
    with pytest.raises(BadInput, match="was dropped"):
        getattr(handle, use)(by_length if use == "score" else 1 if use != "truncate" else 0)


def test_more_than_fits_by_hand(load: Load) -> None:
    lm = load(kv_gib=0.0002)
    handle = lm.prefill(TEXT, seed=1, ignore_eos=True)
    children = handle.fork(6)
    before = [child.tokens for child in children]
    with pytest.raises(OutOfPages, match="pages needed"):
        advance_together(children, 200)
    assert [child.tokens for child in children] == before


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dtype": "float31"}, "dtype: unknown 'float31'; did you mean 'float32'"),
        ({"mode": "exakt"}, "mode: unknown 'exakt'; did you mean 'exact'"),
        ({"mode": "exact", "dtype": "bfloat16"}, "dtype: exact mode computes in float32"),
        ({"kv_gib": float("nan")}, "kv_gib: nan"),
        ({"kv_gib": 0}, "kv_gib: 0"),
        ({"page_size": 0}, "page_size: 0"),
        ({"page_size": 1.5}, "page_size: 1.5"),
        ({"row_budget": 0}, "row_budget: 0"),
        ({"context": 0}, "context: 0"),
        ({"context": "64"}, "context: '64'"),
        ({"device": "abacus"}, "device: 'abacus' is none"),
        ({"device": "meta"}, "device: 'meta' is not available"),
    ],
    ids=str,
)
def test_load_refuses(options: dict[str, Any], match: str, load: Load) -> None:
    with pytest.raises(ramify.RamifyError, match=match):
        load(**options)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such folder|cannot"):
        ramify.load(tmp_path / "nothing")
