"""Outcome and process rewards on one trunk: the target under a few more blocks.

Both heads read every token of a sampled solution. The process head answers "is everything so far
right?" (Lightman et al. 2023, arXiv:2305.20050, taken down to tokens), the outcome head "will the
final answer be right?" (Cobbe et al. 2021, arXiv:2110.14168), half of whose weight lies on the last
token. Most of what there is to know about a slip is what the target would have written where it
stands, one row earlier: the frozen blocks of the target say that, and the blocks on top have learnt
to compare (`surprise.py`).

    R rows (tokens of a batch), D hidden width
"""

from dataclasses import dataclass, field
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ramify.model.decoder import Decoder
from ramify.train.initial import value_head
from ramify.train.labels import Labelled
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.slips import Slips


@dataclass(slots=True)
class Targets:
    """Targets of a batch; `rows` are those of solution tokens."""

    rows: list[int] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    outcome: list[float] = field(default_factory=list)
    outcome_weight: list[float] = field(default_factory=list)

    def add(self, start: int, sample: Labelled, sampled: bool = True) -> None:
        """Append the targets of a sample whose prompt begins at row `start`.

        One that was not `sampled` tells nothing of the outcome before its slip, or before its end if it has none.
        """
        count = len(sample.solution)
        first = start + len(sample.prompt)
        self.rows += range(first, first + count)
        self.right += map(float, sample.right)
        self.outcome += [float(sample.outcome)] * count
        silent = 0 if sampled else min(sum(sample.right), count - 1)
        self.outcome_weight += [0.0] * silent + [1.0 / count] * (count - 1 - silent) + [1.0]


class RewardObjective:
    """The sum of both heads' cross entropies.

    Step `i` reads the next `batch` samples of an order that is shuffled anew every epoch, and half as many slips.
    """

    def __init__(
        self,
        decoder: Decoder,
        samples: list[Labelled],
        slips: Slips,
        batch: int,
        seed: int,
    ) -> None:
        if len(samples) < batch:
            raise ValueError(f"a batch of {batch} needs as many samples, there are {len(samples)}")
        self.decoder, self.samples, self.slips = decoder, samples, slips
        self.batch, self.seed = batch, seed
        self.outcome_1D = value_head(decoder.config.hidden_size)
        self.process_1D = value_head(decoder.config.hidden_size)
        self.heads = nn.ParameterDict({"orm": self.outcome_1D, "prm": self.process_1D})
        self.modules = nn.ModuleDict({"decoder": decoder, "heads": self.heads})

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The loss of one batch in nats and the number of its rows."""
        half = self.batch // 2
        slips = [self.slips[index] for index in range(step * half, (step + 1) * half)]
        read = [(sample, True) for sample in self._batch(step)] + [(slip, False) for slip in slips]
        read.sort(key=lambda pair: len(pair[0].prompt) + len(pair[0].solution))
        rows = Rows.of([sample.prompt + sample.solution for sample, _ in read])
        targets, start = Targets(), 0
        for sample, sampled in read:
            targets.add(start, sample, sampled)
            start += len(sample.prompt) + len(sample.solution)
        with torch.autocast("cpu", torch.bfloat16):
            hidden_RD = self.decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
        solution_RD = hidden_RD[targets.rows].float()
        right_R, outcome_R = torch.tensor(targets.right), torch.tensor(targets.outcome)
        process = F.binary_cross_entropy_with_logits(solution_RD @ self.process_1D[0], right_R)
        outcome = F.binary_cross_entropy_with_logits(
            solution_RD @ self.outcome_1D[0], outcome_R, torch.tensor(targets.outcome_weight)
        )
        outcome = outcome * len(right_R) / sum(targets.outcome_weight)
        return process + outcome, len(rows.tokens_R)

    def _batch(self, step: int) -> list[Labelled]:
        per_epoch = len(self.samples) // self.batch
        epoch, place = divmod(step, per_epoch)
        order = list(range(len(self.samples)))
        Random(f"epoch/{self.seed}/{epoch}").shuffle(order)
        chosen = order[place * self.batch : (place + 1) * self.batch]
        return [self.samples[i] for i in chosen]


@torch.no_grad()
def token_values(decoder: Decoder, head_1D: Tensor, samples: list[Labelled]) -> list[list[float]]:
    """The raw value (a logit) at every token of every sample's solution, computed in fp32."""
    values: list[list[float]] = []
    for first in range(0, len(samples), 48):
        part = samples[first : first + 48]
        rows = Rows.of([s.prompt + s.solution for s in part])
        hidden_RD = decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
        value_R = (hidden_RD.float() @ head_1D[0].float()).split([len(s.prompt + s.solution) for s in part])
        values += [v[len(s.prompt) :].tolist() for v, s in zip(value_R, part, strict=True)]
    return values
