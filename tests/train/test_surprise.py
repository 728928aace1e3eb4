"""The guide's target is the old decoder's own surprise, read from inside the grown one."""

import torch
import torch.nn.functional as F

from ramify.model.config import DecoderConfig
from ramify.tasks import generate
from ramify.train.extend import extend_decoder
from ramify.train.initial import new_decoder
from ramify.train.optimiser import Optimiser
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.shapes import TINY, llama_config
from ramify.train.surprise import MOST_SURPRISE, SurpriseObjective
from ramify.train.vocabulary import train_tokenizer


def new_objective() -> SurpriseObjective:
    tokenizer = train_tokenizer((generate(0, i, "train").solution for i in range(40)), 280)
    config = DecoderConfig.from_hf(llama_config(TINY.target, tokenizer.get_vocab_size()))
    target = new_decoder(config, 0).requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for name, weight in target.named_parameters():
        if name.endswith(("out.weight", "down.weight", "embedding")):
            torch.nn.init.normal_(weight, 0.0, 0.5, generator=generator)
    return SurpriseObjective(extend_decoder(target, 1, 8), target, tokenizer, 4, 0)


def test_surprise_is_the_targets() -> None:
    objective = new_objective()
    rows = Rows.of([list(range(2, 40))])
    streams: list[torch.Tensor] = []
    with torch.no_grad():
        objective.decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows), lambda _, h: streams.append(h))
        hidden_RD = objective.target(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
        logits_RV = objective.target.logits(hidden_RD[:-1])
    want = F.cross_entropy(logits_RV, rows.tokens_R[1:], reduction="none")
    got = objective._surprise(streams, rows.tokens_R, torch.arange(1, 38))
    torch.testing.assert_close(got, want.clamp(max=MOST_SURPRISE), atol=0.02, rtol=0.02)


def test_guide_learns() -> None:
    objective = new_objective()
    optimiser = Optimiser(objective.decoder, [objective.guide_1D], 5e-3)
    losses = []
    for step in range(12):
        loss, _ = objective.loss(step)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(1.0)
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_replacements_are_always_the_same() -> None:
    objective = new_objective()
    one, other = objective._pair(3), objective._pair(3)
    assert one == other
    assert objective._pair(4) != one
