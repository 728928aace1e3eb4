"""Superposed decoding: greedy for one draft, a pass a token for several, and n-grams that keep to what was read."""

import pytest

from ramify import load
from ramify.core.errors import BadInput, Incompatible
from ramify.core.types import Branch, Budget, Prompt
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.model.paged import Mode
from tests.search.runs import best, run, selection
from tests.toys import Ids, is_empty, prompt, tiny_checkpoint, toy

SOURCES = [prompt(*tokens, max_tokens=40) for tokens in ((3, 5, 7), (2, 9, 11, 4, 1, 6), (1,))]
MODES = ["reference", "exact", "fast"]


def decoder(mode: Mode, num_pages: int = 128) -> Engine:
    return Engine(Model("target", DecoderRunner(tiny_checkpoint(), num_pages=num_pages, page_size=4, mode=mode), Ids()))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("source", SOURCES)
def test_one_draft_is_greedy_token_for_token(mode: Mode, source: Prompt) -> None:
    want = run("greedy", source=source, engine=decoder(mode), reward=None)
    for alpha in (0.0, 0.5):
        found = run("superposed", source=source, engine=decoder(mode), reward=None, k=1, alpha=alpha)
        assert best(found) == best(want)
        assert found.ledger.model("target").passes == want.ledger.model("target").passes
        assert found.ledger.generated_tokens == want.ledger.generated_tokens


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_pass_and_a_row_a_token_whatever_k(mode: Mode, k: int) -> None:
    engine = decoder(mode)
    session = run("superposed", source=SOURCES[0], engine=engine, reward=None, k=k)
    account = session.ledger.model("target")
    assert (account.passes, account.tokens, account.recomputed) == (40, 3 + 39, 0)
    texts = [tuple(e.branch.generated) for e in selection(session).ended if e.branch.done]
    assert len(texts) == len(set(texts)) == k
    assert is_empty(engine)


def test_short_of_pages_the_drafts_are_the_same() -> None:
    """One page fewer than a copy on write takes: what is given up is read again, as the mixtures it was."""
    want = run("superposed", source=SOURCES[0], engine=decoder("exact"), reward=None, k=3)
    tight = run("superposed", source=SOURCES[0], engine=decoder("exact", num_pages=11), reward=None, k=3)
    assert [e.branch.tokens for e in selection(tight).ended] == [e.branch.tokens for e in selection(want).ended]
    assert tight.ledger.model("target").recomputed > 0 == want.ledger.model("target").recomputed
    assert [e.score for e in selection(tight).ended] == [e.score for e in selection(want).ended]


def test_the_n_gram_model_prefers_what_the_texts_say() -> None:
    """The toy's letters: with all say its drafts follow the text that was given."""
    source = prompt(1, 2, 1, max_tokens=4)
    plain = run("superposed", source=source, k=3)
    led = run("superposed", source=source, k=3, alpha=1.0, order=6, texts="bababaaaaaaaaaaa")
    assert best(led) == [1, 1, 1, 1] != best(plain)
    assert best(run("superposed", source=source, k=3, alpha=1.0, order=6, texts=("b", "a" * 12))) == [1, 1, 1, 1]


def test_superposed_branches_are_not_drafted_for() -> None:
    session = run("superposed", source=SOURCES[0], engine=decoder("fast"), reward=None, k=2)
    assert not any(e.branch.speculate for e in selection(session).ended if e.branch.done)


@pytest.mark.parametrize("tokens", [1, 4, 10])
def test_a_budget_ends_it(tokens: int) -> None:
    session = run("superposed", source=prompt(1, 2, max_tokens=9), budget=Budget(tokens=tokens), k=3)
    assert session.ledger.generated_tokens == tokens // 3 * 3
    assert selection(session).best.branch.num_generated == tokens // 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k": 0}, "k: 0"),
        ({"alpha": 1.5}, "alpha: 1.5"),
        ({"alpha": float("nan")}, "alpha"),
        ({"order": 0}, "order: 0"),
        ({"texts": (3,)}, "texts"),
    ],
)
def test_bad_options(options: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        run("superposed", **options)  # type: ignore[arg-type]


class Silent:
    """A guide that says nothing."""

    name, models = "silent", ()

    def leads(self, branch: Branch) -> None:
        return None

    def shape(self, rows):  # type: ignore[no-untyped-def]
        return rows.logits_RV, None


def test_guides_are_refused_by_name() -> None:
    source = Prompt((1, 2), SOURCES[0].sampling, guide=Silent())
    with pytest.raises(Incompatible, match="the guide 'silent' with superposed decoding"):
        run("superposed", source=source, engine=(engine := toy()), k=1)
    assert is_empty(engine)


def test_beside_a_speculator_and_an_ordinary_search() -> None:
    """The built-in model, with drafts for whoever may have them: texts are those without."""
    wanted = [("superposed", {"k": 3}), ("greedy", {})]
    with load(mode="exact") as plain, load(mode="exact", speculate="builtin-draft") as drafted:
        for method, options in wanted:
            texts = [
                [c.text for c in lm.search("Compute 3 + 4 * 2.", method, max_tokens=24, **options).candidates]
                for lm in (plain, drafted)
            ]
            assert texts[0] == texts[1]
