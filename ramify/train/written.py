"""Texts that a target wrote, drawn as training goes: prompts and answers, token ids only, nothing else is kept.

R rows (tokens of a batch), T tokens of an answer
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ramify.model.decoder import Decoder
from ramify.train.prompts import Prompts
from ramify.train.ragged import Rows
from ramify.train.sample import Sampling, complete

AT_ONCE = 256
REFILL_EVERY = 16  # steps between two draws of the pool
USES = 3  # of every text before it is forgotten


@dataclass(frozen=True, slots=True)
class Written:
    """A prompt and the target's answer to it, neither of them empty."""

    prompt: list[int]
    answer: list[int]


@dataclass(frozen=True, slots=True)
class Laid:
    """Texts end to end.

    rows       all their tokens but the last of each
    read_R     the rows whose next token is a token of an answer
    next_R     those tokens
    lengths    of the answers: how `read_R` splits into texts
    """

    rows: Rows
    read_R: Tensor
    next_R: Tensor
    lengths: list[int]


def lay(texts: Sequence[Written]) -> Laid:
    """Lay texts end to end; fastest when sorted by length."""
    read: list[int] = []
    start = 0
    for text in texts:
        first = start + len(text.prompt) - 1
        read += range(first, first + len(text.answer))
        start = first + len(text.answer)
    following = [token for text in texts for token in text.answer]
    rows = Rows.of([[*text.prompt, *text.answer[:-1]] for text in texts])
    return Laid(rows, torch.tensor(read), torch.tensor(following), [len(text.answer) for text in texts])


def write(target: Decoder, prompts: Sequence[list[int]], how: Sampling) -> list[Written]:
    """The target's answers to prompts, in their order."""
    answers: list[list[int]] = []
    for first in range(0, len(prompts), AT_ONCE):
        part = Sampling(temperature=how.temperature, limit=how.limit, seed=how.seed + first, ends=how.ends)
        answers += complete(target, list(prompts[first : first + AT_ONCE]), part)
    return [Written(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]


class Pool:
    """Texts drawn at temperature 1 to training prompts, each used a few times, then drawn anew.

    What step `i` reads depends on the target, the prompts, the seed and `i` alone, so a resumed run reads the same.
    """

    def __init__(self, target: Decoder, prompts: Prompts, batch: int, how: Sampling) -> None:
        self.target, self.prompts, self.batch, self.how = target, prompts, batch, how
        self.size = -(-batch * REFILL_EVERY // USES)
        self.steps_read = 0
        self._refill, self._texts, self._order = -1, list[Written](), list[int]()

    def texts(self, step: int) -> list[Written]:
        """The texts of one step, sorted by length."""
        self.steps_read = step + 1
        refill, place = divmod(step, REFILL_EVERY)
        if refill != self._refill:
            self._draw(refill)
        chosen = self._order[place * self.batch : (place + 1) * self.batch]
        return sorted((self._texts[i] for i in chosen), key=lambda text: len(text.prompt) + len(text.answer))

    def _draw(self, refill: int) -> None:
        prompts = [self.prompts.training(refill * self.size + i) for i in range(self.size)]
        seed = self.how.seed + (refill + 1) * 1_000_003
        how = Sampling(temperature=1.0, limit=self.how.limit, seed=seed, ends=self.how.ends)
        with torch.autocast("cpu", torch.bfloat16):
            self._texts = write(self.target, prompts, how)
        generator = torch.Generator().manual_seed(seed)
        self._order = torch.cat([torch.randperm(self.size, generator=generator) for _ in range(USES)]).tolist()
        self._refill = refill
