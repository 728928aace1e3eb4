"""A model learns from pairs that right solutions are preferred, and, if asked to, to judge them in words.

    y_w, y_l    the right solution of a problem x and the wrong one (the paper's winner and loser)
    r(x, y)     the reward of a solution; beta its scale

Both losses are the Bradley-Terry likelihood of the preferences, -log sigmoid(beta (r(x, y_w) - r(x, y_l))). They differ
in the reward:

dpo              r = log p(y | x) - log p_ref(y | x). Rafailov et al. 2023, "Direct Preference Optimization",
                 arXiv:2305.18290, equation 7; the reference is where the model starts, frozen.
autoregressive   r = log p(y | x), the sum over the tokens. Xu et al. 2024, "GenARM", arXiv:2410.08193: the model is
                 the reward, of every token given those before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ramify.model.decoder import Decoder
from ramify.train.branched import Text, log_chances
from ramify.train.judge_texts import Judging
from ramify.train.labels import Labelled
from ramify.train.pairs import Pair, epoch_batch
from ramify.train.slips import Slips

AT_ONCE = 48


def preference_loss(winner_B: Tensor, loser_B: Tensor, beta: float) -> Tensor:
    """The mean of -log sigmoid(beta (r_w - r_l)), in nats; rewards [B]."""
    return -F.logsigmoid(beta * (winner_B - loser_B)).mean()


@torch.no_grad()
def solution_chances(decoder: Decoder, samples: Sequence[Labelled]) -> list[float]:
    """log p(y | x) of every sample, the end token included, in nats; in bfloat16."""
    texts = [Text(sample.prompt, sample.solution) for sample in samples]
    parts = [log_chances(decoder, texts[i : i + AT_ONCE])[0] for i in range(0, len(texts), AT_ONCE)]
    return torch.cat(parts).tolist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """Judging, learnt beside the preference: what is asked about in a step beside its pairs.

    weight         of the mean cross entropies of both questions beside the preference loss
    slips          solutions with a slip put in, of problems without end
    num_slips      of a step
    num_compared   pairs of a step that are shown side by side, one order each; at least one
    """

    judging: Judging
    slips: Slips
    weight: float
    num_slips: int
    num_compared: int


class PreferenceObjective:
    """-log sigmoid(beta (r_w - r_l)) over pairs, an anchor on the right solutions, and the questions of a skill.

    reference    the frozen model of DPO's reward; without one the reward is the model's own log-probability
    anchor       weight of the right solutions' next-token cross entropy beside either loss, which keeps the model one
                 that writes them (Pang et al. 2024, "Iterative Reasoning Preference Optimization", arXiv:2404.19733)

    Step `i` reads the next `batch` pairs of an order that is shuffled anew every epoch.
    """

    def __init__(
        self,
        decoder: Decoder,
        pairs: Sequence[Pair],
        *,
        batch: int,
        beta: float,
        seed: int,
        reference: Decoder | None = None,
        anchor: float = 0.0,
        skill: Skill | None = None,
    ) -> None:
        self.decoder, self.pairs, self.batch, self.beta, self.seed = decoder, list(pairs), batch, beta, seed
        self.anchor, self.skill = anchor, skill
        self.modules = nn.ModuleDict({"decoder": decoder})
        self._known = {} if reference is None else _known_chances(reference, self.pairs)

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The loss of one batch in nats and the number of its rows."""
        pairs = epoch_batch(self.pairs, self.batch, step, self.seed)
        random = Random(f"ask/{self.seed}/{step}")
        winners, losers = [pair.right for pair in pairs], [pair.wrong for pair in pairs]
        texts = [self._text(sample, random) for sample in (*winners, *losers)] + self._further(step, random)
        answers_N, choices_Q = log_chances(self.decoder, texts)
        winner_B, loser_B = answers_N[: self.batch], answers_N[self.batch : 2 * self.batch]
        loss = preference_loss(winner_B - self._reference(winners), loser_B - self._reference(losers), self.beta)
        if self.anchor:
            loss = loss - self.anchor * winner_B.sum() / sum(len(winner.solution) for winner in winners)
        if self.skill is not None:
            so_far_Q, which_Q = torch.split(
                choices_Q, [len(choices_Q) - self.skill.num_compared, self.skill.num_compared]
            )
            loss = loss + self.skill.weight * (_tamed(-so_far_Q.mean()) + _tamed(-which_Q.mean()))
        return loss, sum(len(text.rows) for text in texts)

    def _reference(self, samples: Sequence[Labelled]) -> Tensor:
        return torch.tensor([self._known.get(id(sample), 0.0) for sample in samples])

    def _text(self, sample: Labelled, random: Random) -> Text:
        asked = [] if self.skill is None else self.skill.judging.asked(sample, random)
        return Text(sample.prompt, sample.solution, asked)

    def _further(self, step: int, random: Random) -> list[Text]:
        """The texts of a step that questions alone are asked about."""
        skill = self.skill
        if skill is None:
            return []
        slips = [skill.slips[i] for i in range(step * skill.num_slips, (step + 1) * skill.num_slips)]
        compared = epoch_batch(self.pairs, skill.num_compared, step, self.seed + 1)
        orders = [random.random() < 0.5 for _ in compared]
        shown = [skill.judging.which(pair, first, first) for pair, first in zip(compared, orders, strict=True)]
        return [self._text(slip, random) for slip in slips] + shown


def _tamed(loss: Tensor) -> Tensor:
    """Its own value below one nat; above it its gradient is divided by it.

    Words that a model never read are tens of nats unlikely at first, and would drown what it can do already.
    """
    scale = loss.detach().clamp(min=1.0)
    return loss / scale + (loss - loss / scale).detach()


def _known_chances(reference: Decoder, pairs: Sequence[Pair]) -> dict[int, float]:
    """What the reference says of every solution of the pairs, by the sample's identity."""
    samples = {id(sample): sample for pair in pairs for sample in (pair.right, pair.wrong)}
    ordered = sorted(samples.values(), key=lambda sample: len(sample.prompt) + len(sample.solution))
    return dict(zip(map(id, ordered), solution_chances(reference, ordered), strict=True))
