"""The API on a trained model of another author."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ramify import api
from ramify.core.types import Budget

STORIES = Path(__file__).parents[3] / "shared" / "assets" / "lm" / "stories260K"
PROMPTS = ["Once upon a time", "Tim and Sam", "The dog said", "One day, a girl", ""]


@pytest.fixture(scope="module", params=["fast", "exact"])
def lm(request: pytest.FixtureRequest) -> Iterator[api.LM]:
    """Both modes."""
    if not STORIES.is_dir():
        pytest.skip(f"{STORIES} is absent: it is not part of the repository")
    with api.load(STORIES, mode=request.param, kv_gib=0.05) as loaded:
        yield loaded
    loaded.check()


def test_the_golden_text_by_a_search_and_by_hand(lm: api.LM) -> None:
    golden = (STORIES / "expected_greedy_200.txt").read_text().rstrip("\n")
    result = lm.search("", "greedy", max_tokens=200)
    handle = lm.prefill("", temperature=0)
    handle.advance(77).fork(2)[1].advance(200 - 77)
    child = next(b for b in lm.engine.branches.values() if b.num_generated == 200)
    assert result.text.strip() == golden.strip()
    assert tuple(child.generated) == result.best.token_ids
    lm.engine.drop(list(lm.engine.branches.values()))


def test_stop_texts_cut_stories(lm: api.LM) -> None:
    for result in lm.search_many(PROMPTS, "sample", n=3, seed=1, max_tokens=120, stop=(".", "!")):
        for candidate in result.candidates:
            assert not set(".!") & set(candidate.text)
            assert candidate.stopped_because in ("stop", "length")


def test_speculative_rejection_spends_less_and_rejects(lm: api.LM) -> None:
    options = {"n": 24, "reward": "logprob", "max_tokens": 96, "seed": 3, "ignore_eos": True}
    rejection = lm.search(PROMPTS[0], "speculative-rejection", budget=Budget(pages=40), **options)
    plain = lm.search(PROMPTS[0], "best-of-n", **options)
    assert rejection.ledger.generated_tokens < plain.ledger.generated_tokens / 2
    assert rejection.ledger.recomputed_tokens == 0
    spread = sorted(c.score or 0 for c in plain.candidates)
    assert (rejection.best.score or 0) > spread[len(spread) // 2]
    ended = [c.stopped_because for c in rejection.candidates]
    assert ended.count("rejected") > 16


def test_the_same_tokens_in_little_memory(lm: api.LM) -> None:
    if lm.mode != "exact":
        pytest.skip("token for token is promised in exact mode")
    with api.load(STORIES, mode="exact", kv_gib=0.0006, page_size=4, row_budget=33) as small:
        want = lm.search_many(PROMPTS * 3, "sample", n=4, seed=5, max_tokens=60)
        got = small.search_many(PROMPTS * 3, "sample", n=4, seed=5, max_tokens=60)
        assert [[c.token_ids for c in r.candidates] for r in got] == [[c.token_ids for c in r.candidates] for r in want]
        assert sum(r.ledger.recomputed_tokens for r in got) > 0
        assert sum(r.ledger.recomputed_tokens for r in want) == 0


def test_texts_are_of_the_model(lm: api.LM) -> None:
    """Raw log-probabilities of a greedy text read as a prompt are those it was drawn with."""
    story = lm.search(PROMPTS[0], "greedy", max_tokens=40, logprobs=0)
    prompt = lm.encode(PROMPTS[0])
    read = lm.prefill([*prompt, *story.best.token_ids], prompt_logprobs=0)
    kept = [entry.logprob for entry in read.branch.prompt_logprobs[len(prompt) :] if entry is not None]
    assert kept == pytest.approx([entry.logprob for entry in story.best.logprobs], abs=1e-4)
    read.drop()
