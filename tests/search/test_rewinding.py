"""Rewinding: a branch that was cut back stands where it stood, to the last bit, and nothing is read again."""

import pytest
import torch

from ramify.core.sampling import Sampling
from ramify.core.steps import rewound
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Fork, Likeliest, Search, Tokens
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from tests.toys import Ids, chosen, tiny_checkpoint

MODES = ("exact", "fast", "reference")


def engine(mode: str) -> Engine:
    return Engine(Model("target", DecoderRunner(tiny_checkpoint(), num_pages=90, page_size=4, mode=mode), Ids()))  # type: ignore[arg-type]


def there_and_back(prompt: Prompt, rows: list[torch.Tensor], target: Model) -> Search[Selection]:
    """Notes the row that the next token comes from, at 5 tokens and again after a way of 7 more."""
    live: list[Branch] = yield Fork(prompt, 1)
    yield Advance(live, Tokens(5))
    yield Likeliest(live, 1)
    rows.append(target.runner.logits(target.frontier(live[0])[None]))  # type: ignore[index]
    yield Advance(live, Tokens(7))
    forks = yield from rewound(live[0], prompt_length(prompt) + 5, 2)
    yield Likeliest(forks, 1)
    rows.extend(target.runner.logits(target.frontier(fork)[None]) for fork in forks)  # type: ignore[index]
    yield Advance(forks, Tokens(3))
    return chosen([*live, *forks])


def prompt_length(prompt: Prompt) -> int:
    return len(prompt.tokens)


@pytest.mark.parametrize("mode", MODES)
def test_the_logits_are_bit_identical(mode: str) -> None:
    built, rows = engine(mode), list[torch.Tensor]()
    prompt = Prompt((3, 1, 4, 1, 5), Sampling(max_tokens=30), bookmarks=True)
    session = run_alone(built, there_and_back(prompt, rows, built.target))
    before, *after = rows
    assert all(torch.equal(before, row) for row in after)
    assert session.ledger.recomputed_tokens == 0
    assert session.result is not None
    first, *others = (e.branch.generated for e in session.result.ended)
    assert all(other[:5] == first[:5] for other in others)
    assert others[0] != others[1]  # each draws its own


def test_they_are_those_of_a_fresh_prefix() -> None:
    """In exact mode, where a row's numbers do not depend on what is read beside it."""
    built, rows = engine("exact"), list[torch.Tensor]()
    prompt = Prompt((3, 1, 4, 1, 5), Sampling(max_tokens=30), bookmarks=True)
    session = run_alone(built, there_and_back(prompt, rows, built.target))
    assert session.result is not None
    fresh = engine("exact")
    branch = fresh.prefill(Prompt(tuple(session.result.ended[0].branch.tokens[:10])))
    assert torch.equal(rows[1], fresh.target.runner.logits(fresh.target.frontier(branch)[None]))  # type: ignore[index]
    fresh.drop([branch])
