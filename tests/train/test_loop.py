"""The training loop: it learns, it logs, and a run that was cut off ends as one that was not."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from ramify.model.config import DecoderConfig
from ramify.tasks import generate
from ramify.train.initial import new_decoder
from ramify.train.language import LanguageObjective
from ramify.train.loop import Work, train
from ramify.train.optimiser import Optimiser, rate_share
from ramify.train.shapes import TINY, Budget, llama_config
from ramify.train.vocabulary import train_tokenizer

BUDGET = Budget(steps=30, batch=4, rate=1e-2, warmup=3, decay=10)


def new_objective(seed: int = 0) -> LanguageObjective:
    tokenizer: Tokenizer = train_tokenizer((generate(0, i, "train").solution for i in range(40)), 280)
    config = llama_config(TINY.target, tokenizer.get_vocab_size())
    decoder = new_decoder(DecoderConfig.from_hf(config), seed)
    return LanguageObjective(decoder, tokenizer, BUDGET.batch, seed)


def run(folder: Path, budget: Budget, resume: bool = True) -> LanguageObjective:
    objective = new_objective()
    optimiser = Optimiser(objective.decoder, [], budget.rate)
    train(objective, optimiser, budget, Work(folder=folder, log_every=5, save_every=10, resume=resume))
    return objective


def read_log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_loss_falls_and_the_log_says_so(tmp_path: Path) -> None:
    run(tmp_path, BUDGET)
    log = read_log(tmp_path)
    assert [record["step"] for record in log] == [5, 10, 15, 20, 25, 30]
    assert log[-1]["loss"] < 0.8 * log[0]["loss"]
    assert log[0].keys() == {"step", "loss", "lr_share", "tokens", "tokens_per_s"}


class CutOff(Exception):
    """Stands for the machine that went away."""


def test_resumed_run_equals_uninterrupted(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", BUDGET)
    torch.manual_seed(99)
    objective = new_objective()
    plain = objective.loss

    def cut(step: int) -> tuple[torch.Tensor, int]:
        if step == 17:
            raise CutOff
        return plain(step)

    objective.loss = cut  # type: ignore[method-assign]
    work = Work(folder=tmp_path / "cut", log_every=5, save_every=10)
    with pytest.raises(CutOff):
        train(objective, Optimiser(objective.decoder, [], BUDGET.rate), BUDGET, work)
    resumed = run(tmp_path / "cut", BUDGET)
    for a, b in zip(whole.decoder.parameters(), resumed.decoder.parameters(), strict=True):
        assert torch.equal(a, b)


def test_without_resume_starts_again(tmp_path: Path) -> None:
    first = run(tmp_path, BUDGET)
    again = run(tmp_path, BUDGET, resume=False)
    for a, b in zip(first.decoder.parameters(), again.decoder.parameters(), strict=True):
        assert torch.equal(a, b)


def test_rate_rises_stays_falls() -> None:
    shares = [rate_share(step, BUDGET) for step in range(BUDGET.steps)]
    assert shares[0] > 0
    assert shares[2] == 1.0 == shares[20]
    assert shares[:3] == sorted(shares[:3])
    assert shares[20:] == sorted(shares[20:], reverse=True)
    assert 0 < shares[-1] <= 0.1
