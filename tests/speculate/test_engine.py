"""Drafting in the engine, on the built-in pair: what is written is what plain decoding writes."""

from itertools import pairwise

import pytest

from ramify import Budget, Speculate, load
from tests.speculate.pair import drafting, plain, prompts, same, written

GREEDY = {"temperature": 0.0}
STOPS = {"stop": ("marbles.", "That is", "= 1")}
LAW_RULES = (
    ("standard", "chain:5"),
    ("block", "chain:4"),
    ("recursive", "distinct:2,2,1"),
    ("coupled", "best-first:7"),
)


@pytest.mark.parametrize("batch", [1, 4, 32])
def test_greedy_is_token_identical_for_200_prompts(batch):
    texts = prompts(200)
    limits = [7 + i % 90 for i in range(0, 200, 50)]  # ends inside accepted runs
    for first, limit in zip(range(0, 200, 50), limits, strict=True):
        some, wishes = texts[first : first + 50], GREEDY | {"max_tokens": limit}
        assert all(same(written(plain(), some, 32, **wishes), written(drafting(), some, batch, **wishes)))


@pytest.mark.parametrize(("verifier", "shape"), LAW_RULES)
def test_greedy_by_every_rule_with_stop_texts(verifier, shape):
    lm = drafting(verifier=verifier, shape=shape)
    found = written(lm, prompts(40), **GREEDY, **STOPS)
    assert all(same(written(plain(), prompts(40), **GREEDY, **STOPS), found))
    assert sum(result.best.stopped_because == "stop" for result in found) > 20
    assert sum(result.ledger.drafts.accepted > 0 for result in found) > 30  # some stop before a draft


@pytest.mark.parametrize("draft", ["ngram", "suffix", "skip-layers", lambda tokens, most: tokens[-most:]])
def test_greedy_by_every_drafter(draft):
    lm = drafting(draft, shape="chain:4")
    assert all(same(written(plain(), prompts(24), **GREEDY), written(lm, prompts(24), **GREEDY)))


SAMPLINGS = ({}, {"top_p": 0.9}, {"top_k": 20, "min_p": 0.02}, {"repetition_penalty": 1.2, "presence_penalty": 0.3},
             {"temperature": 0.7, "logit_bias": {30: 2.0}}, {"bad_words": ("marbles",)})  # fmt: skip


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_coupled_writes_the_very_tokens_of_plain_decoding(sampling):
    wishes = {"temperature": 1.0} | sampling
    for shape in ("auto", "chain:5", "best-first:6"):
        found = written(drafting(mode="exact", shape=shape), prompts(8), **wishes)
        assert all(same(written(plain("exact"), prompts(8), **wishes), found))


@pytest.mark.parametrize("method", ["best-of-n", "speculative-rejection", "majority-vote"])
def test_searches_choose_the_same_with_drafts_and_without(method):
    wishes = {"n": 6, "seed": 5, "max_tokens": 60, "temperature": 1.0}
    if method != "majority-vote":
        wishes["reward"] = "builtin-orm"
    if method == "speculative-rejection":
        wishes["budget"] = Budget(pages=24)
    with_drafts = drafting(mode="exact", shape="chain:4").search_many(prompts(3), method, **wishes)
    without = plain("exact").search_many(prompts(3), method, **wishes)
    for a, b in zip(with_drafts, without, strict=True):
        assert a.text == b.text
        assert [c.token_ids for c in a.candidates] == [c.token_ids for c in b.candidates]
        assert a.ledger.drafts.accepted > 0 or method == "speculative-rejection"


def test_logprobs_are_those_of_plain_decoding():
    wishes = {"temperature": 0.8, "logprobs": 2, "max_tokens": 30}
    for mode in ("raw", "processed"):
        a = written(plain("exact"), prompts(3), logprobs_mode=mode, **wishes)
        b = written(drafting(mode="exact", shape="chain:5"), prompts(3), logprobs_mode=mode, **wishes)
        assert [r.best.logprobs for r in a] == [r.best.logprobs for r in b]


def test_a_request_may_decline():
    lm = drafting(shape="chain:4")
    [declined, accepted] = [lm.search(prompts(1)[0], seed=1, n=1, speculate=wish) for wish in (False, True)]
    assert declined.ledger.drafts.rounds == 0 < accepted.ledger.drafts.rounds
    assert declined.text == accepted.text


def test_forks_go_on_drafting_each_for_itself():
    lm, bare = drafting(mode="exact", shape="chain:3"), plain("exact")
    ends = []
    for model in (lm, bare):
        with model.prefill(prompts(1)[0], seed=3, temperature=1.0) as root:
            root.advance(9)
            children = root.fork(3)
            for child in children:
                child.advance(11)
            children[0].truncate(4)
            children[0].advance(8)
            ends.append([child.tokens for child in children])
            for child in children:
                child.drop()
        model.check()
    assert ends[0] == ends[1]
    assert [len(tokens) for tokens in ends[0]] == [12, 20, 20]


@pytest.mark.parametrize("tokens", [40, 41, 57])
def test_a_token_budget_is_shared_out_as_without_drafts(tokens):
    wishes = {"n": 5, "seed": 2, "temperature": 1.0, "max_tokens": 50, "budget": Budget(tokens=tokens)}
    a = plain("exact").search(prompts(1)[0], "majority-vote", **wishes)
    b = drafting(mode="exact", shape="chain:6").search(prompts(1)[0], "majority-vote", **wishes)
    assert [c.token_ids for c in a.candidates] == [c.token_ids for c in b.candidates]
    assert b.ledger.generated_tokens <= tokens


def test_too_few_pages_for_drafts_are_enough_for_text():
    few = load("builtin", mode="exact", kv_gib=7e-4, speculate=Speculate(draft="builtin-draft", shape="chain:8"))
    whole = plain("exact")
    assert few.engine.target.runner.num_pages < 24
    assert all(same(written(whole, prompts(6)), written(few, prompts(6))))


def test_the_ledger_adds_up():
    for result in written(drafting(shape="chain:5"), prompts(6), temperature=1.0):
        ledger, drafts = result.ledger, result.ledger.drafts
        assert drafts.rows == drafts.drafted + drafts.rounds
        assert drafts.wasted == drafts.drafted - drafts.accepted >= 0
        # a pass gives its accepted tokens and one more, but for one that ends the text with an accepted token
        assert 0 <= ledger.draws + drafts.accepted - ledger.generated_tokens <= 1
        assert all(later <= sooner for sooner, later in pairwise(drafts.tried))
        assert all(passed <= tried for passed, tried in zip(drafts.accepted_at, drafts.tried, strict=True))
        row = ledger.row()
        assert row["block_efficiency"] == pytest.approx(ledger.generated_tokens / ledger.draws)
        assert row["draft_tokens"] == ledger.models["draft"].tokens > 0
        assert drafts.seconds > 0
