"""Speculation on somebody else's Llama: it drafts for itself with layers skipped, or its own text drafts for it."""

import pytest

from ramify import Speculate, load
from ramify.speculate.drafters.skipping import SkippingDrafter
from ramify.verify.drafting import sampled_law, uncertain_place
from tests.speculate.pair import same, written

BEGINNINGS = ("Once upon a time", "One day", "The little girl", "Tom and his mom", "There was a big red ball", "A dog")
TEXTS = [f"{beginning}{more}" for beginning in BEGINNINGS for more in ("", ",", " who", " in the park", " was", " and")]


@pytest.fixture(scope="module")
def folder(assets):
    return assets / "lm" / "babyllama_tok361"


def model(folder, mode="fast", **wishes):
    return load(folder, mode=mode, speculate=Speculate(**{"draft": "skip-layers", "shape": "chain:4"} | wishes))


@pytest.mark.parametrize("draft", ["skip-layers", "ngram"])
def test_greedy_is_token_identical(folder, draft):
    lm, options = model(folder, draft=draft), {"temperature": 0.0, "max_tokens": 48}
    bare = written(load(folder), TEXTS, 8, **options)
    for batch in (1, 8):
        found = written(lm, TEXTS, batch, **options)
        assert all(same(bare, found))
        assert sum(result.ledger.drafts.accepted for result in found) > 100


@pytest.mark.parametrize("draft", ["skip-layers", "ngram"])
def test_coupled_is_identical_by_chance_too(folder, draft):
    lm, options = model(folder, "exact", draft=draft), {"temperature": 1.0, "max_tokens": 48}
    assert all(same(written(load(folder, mode="exact"), TEXTS[:12], **options), written(lm, TEXTS[:12], **options)))


def test_sampled_texts_have_the_law(folder):
    lm = model(folder, verifier="standard")
    test = sampled_law(lm, uncertain_place(lm, TEXTS[:4]), 640, temperature=1.0)
    assert test.p > 0.01
    assert test.finds(0.01) < 0.2 and test.cells > 8 and test.tested > 640


def test_what_is_skipped_changes_and_the_text_does_not(folder):
    lm, options = model(folder), {"temperature": 0.0, "max_tokens": 120}
    drafter = lm.engine.speculator.drafter
    assert isinstance(drafter, SkippingDrafter)
    skipped = {drafter.skip}
    for first in range(0, 12, 4):
        some = TEXTS[first : first + 4]
        assert all(same(written(load(folder), some, **options), written(lm, some, **options)))
        skipped.add(drafter.skip)
    assert len(skipped) > 1 and drafter.trials_left < 200
