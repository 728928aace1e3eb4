"""Outcome and process rewards on one trunk: the frozen target and a few trained blocks on top.

Both heads read every token of a sampled solution. The process head answers "is everything so far
right?" (Lightman et al. 2023, arXiv:2305.20050, taken down to tokens), the outcome head "will the
final answer be right?" (Cobbe et al. 2021, arXiv:2110.14168), half of whose weight lies on the last
token. The blocks on top can see what the target would have written where a token stands, which is
most of what there is to know about a slip.

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

MOST_SURPRISE = 8.0


@dataclass(slots=True)
class Targets:
    """Targets of a batch; `rows` are those of solution tokens, `counts` how many a sample."""

    rows: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    outcome: list[float] = field(default_factory=list)
    outcome_weight: list[float] = field(default_factory=list)

    def add(self, start: int, sample: Labelled) -> None:
        """Append the targets of a sample whose prompt begins at row `start`."""
        count = len(sample.solution)
        first = start + len(sample.prompt)
        self.rows += range(first, first + count)
        self.counts.append(count)
        self.right += map(float, sample.right)
        self.outcome += [float(sample.outcome)] * count
        self.outcome_weight += [1.0 / count] * (count - 1) + [1.0]


class RewardObjective:
    """The sum of both heads' cross entropies, and of the guides' errors while there are guides.

    Two guides teach the new blocks to see what the target thought of each token: its surprise
    (-log p, nats) and the surprise summed over the solution so far. They need the target's frozen
    blocks, whose last one is `target_layer`; None does without. They are not kept.

    Step `i` reads the next `batch` samples of an order that is shuffled anew every epoch.
    """

    def __init__(
        self,
        decoder: Decoder,
        samples: list[Labelled],
        batch: int,
        seed: int,
        target_layer: int | None = None,
    ) -> None:
        if len(samples) < batch:
            raise ValueError(f"a batch of {batch} needs as many samples, there are {len(samples)}")
        self.decoder, self.samples = decoder, samples
        self.batch, self.seed = batch, seed
        self.outcome_1D = value_head(decoder.config.hidden_size)
        self.process_1D = value_head(decoder.config.hidden_size)
        self.guide_2D = nn.Parameter(torch.zeros(2, decoder.config.hidden_size))
        heads = nn.ParameterDict(
            {"orm": self.outcome_1D, "prm": self.process_1D, "guide": self.guide_2D}
        )
        self.target_layer = target_layer
        self.target_norm_D = decoder.norm.weight.detach().clone()
        self.modules = nn.ModuleDict({"decoder": decoder, "heads": heads})

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The loss of one batch in nats and the number of its rows."""
        batch = sorted(self._batch(step), key=lambda s: len(s.prompt) + len(s.solution))
        rows = Rows.of([s.prompt + s.solution for s in batch])
        targets, start = Targets(), 0
        for sample in batch:
            targets.add(start, sample)
            start += len(sample.prompt) + len(sample.solution)
        seen: list[Tensor] = []

        def tap(layer: int, stream_RD: Tensor) -> None:
            if layer == self.target_layer:
                seen.append(stream_RD)

        with torch.autocast("cpu", torch.bfloat16):
            hidden_RD = self.decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows), tap)
        solution_RD = hidden_RD[targets.rows].float()
        right_R, outcome_R = torch.tensor(targets.right), torch.tensor(targets.outcome)
        process = F.binary_cross_entropy_with_logits(solution_RD @ self.process_1D[0], right_R)
        outcome = F.binary_cross_entropy_with_logits(
            solution_RD @ self.outcome_1D[0], outcome_R, torch.tensor(targets.outcome_weight)
        )
        outcome = outcome * len(right_R) / sum(targets.outcome_weight)
        loss = process + outcome
        if seen:
            surprise_R2 = self._surprise(seen[0], rows.tokens_R, targets)
            loss = loss + F.smooth_l1_loss(solution_RD @ self.guide_2D.T, surprise_R2)
        return loss, len(rows.tokens_R)

    @torch.no_grad()
    def _surprise(self, stream_RD: Tensor, tokens_R: Tensor, targets: Targets) -> Tensor:
        """The target's surprise at every solution token, and its running sum; [rows, 2]."""
        rows_R = torch.tensor(targets.rows)
        hidden_RD = F.rms_norm(
            stream_RD[rows_R - 1],
            self.target_norm_D.shape,
            self.target_norm_D,
            self.decoder.norm.eps,
        )
        with torch.autocast("cpu", torch.bfloat16):
            logits_RV = self.decoder.logits(hidden_RD)
        surprise_R = F.cross_entropy(logits_RV.float(), tokens_R[rows_R], reduction="none")
        sums = [part.cumsum(0) for part in torch.split(surprise_R, targets.counts)]
        return torch.stack((surprise_R, torch.cat(sums)), dim=-1).clamp(max=MOST_SURPRISE)

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
        value_R = (hidden_RD.float() @ head_1D[0].float()).split(
            [len(s.prompt + s.solution) for s in part]
        )
        values += [v[len(s.prompt) :].tolist() for v, s in zip(value_R, part, strict=True)]
    return values
