"""Rows whose input is a superposition of embeddings: right in every mode, and nobody else's bits change."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ramify.core.types import Mixture
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.runner import Chunk
from ramify.model.paged import Mode
from tests.toys import tiny_checkpoint

MODES: tuple[Mode, ...] = ("reference", "exact", "fast")
MIXTURE: Mixture = ((3, 0.5), (7, 0.3), (11, 0.2))
TEXTS = [[5, 9, 3, 1, 7], [11, 12] * 20, [3], [8, 4, 2]]
STEP = [6, 7, 8, 9]


def run(mode: Mode, mixtures: dict[int, list[tuple[int, Mixture]]], *, later: Mixture | None = None) -> list[Tensor]:
    """Logits of texts in one step (with mixtures of some), then a step of a row each (`later` in the last text's)."""
    runner = DecoderRunner(tiny_checkpoint(), num_pages=64, page_size=4, mode=mode)
    tables = [list(range(16 * t, 16 * t + 16)) for t in range(len(TEXTS))]
    first = [Chunk(text, 0, tables[t], (), mixtures.get(t, ())) for t, text in enumerate(TEXTS)]
    hidden = runner.logits(runner.forward(first)).split([len(text) for text in TEXTS])
    last = [() if later is None or t < 3 else ((0, later),) for t in range(4)]
    steps = [Chunk([STEP[t]], len(text), tables[t], (), last[t]) for t, text in enumerate(TEXTS)]
    return [*hidden, runner.logits(runner.forward(steps))]


@pytest.mark.parametrize("mode", MODES)
def test_a_mixture_of_one_token_is_the_token(mode: Mode) -> None:
    plain = run(mode, {})
    found = run(mode, {0: [(2, ((TEXTS[0][2], 1.0),))], 1: [(39, ((12, 1.0),))]}, later=((STEP[3], 1.0),))
    assert all(torch.equal(a, b) for a, b in zip(plain, found, strict=True))


@pytest.mark.parametrize("mode", MODES)
def test_rows_without_a_mixture_keep_every_bit(mode: Mode) -> None:
    """Neighbours of other texts, and a text's own rows before the mixture; what comes behind it sees it."""
    plain, found = run(mode, {}), run(mode, {0: [(2, MIXTURE)]}, later=MIXTURE)
    assert all(torch.equal(plain[t], found[t]) for t in (1, 2, 3))
    assert torch.equal(plain[0][:2], found[0][:2])
    assert torch.equal(plain[4][1:3], found[4][1:3])
    for before, after in ((plain[0][2:], found[0][2:]), (plain[4][:1], found[4][:1]), (plain[4][3:], found[4][3:])):
        assert (before - after).abs().amax(-1).min() > 1e-3


@pytest.mark.parametrize("mode", MODES)
def test_it_is_the_weighted_sum_of_the_embeddings(mode: Mode) -> None:
    """A decoder with one row more in its table, that sum, reads it as a token."""
    checkpoint = tiny_checkpoint()
    decoder = checkpoint.decoder
    with torch.no_grad():
        total = sum(weight * decoder.embedding[token] for token, weight in MIXTURE)
        decoder.embedding[16] = total
    runner = DecoderRunner(checkpoint, num_pages=8, page_size=4, mode=mode)
    text, pages = [5, 9, 16, 1], [0, 1]
    want = runner.logits(runner.forward([Chunk(text, 0, pages)]))
    found = runner.logits(runner.forward([Chunk([5, 9, 0, 1], 0, pages, (), [(2, MIXTURE)])]))
    torch.testing.assert_close(found, want, atol=1e-5, rtol=1e-5)


def test_modes_agree() -> None:
    reference, exact, fast = (run(mode, {0: [(2, MIXTURE)], 3: [(0, MIXTURE)]}, later=MIXTURE) for mode in MODES)
    for want, a, b in zip(reference, exact, fast, strict=True):
        torch.testing.assert_close(a, want, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(b, want, atol=1e-4, rtol=1e-4)


def test_in_bf16_the_sum_is_rounded_once() -> None:
    decoder = tiny_checkpoint().decoder.to(torch.bfloat16)
    weights = torch.tensor([weight for _, weight in MIXTURE])[:, None]
    want = (weights * decoder.embedding[[token for token, _ in MIXTURE]].float()).sum(0).bfloat16()
    assert torch.equal(decoder._superposed(MIXTURE), want)
    assert torch.equal(decoder._superposed(((4, 1.0),)), F.embedding(torch.tensor(4), decoder.embedding))
