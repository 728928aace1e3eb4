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
from ramify.train.branched import Text, chances_and_stream, log_chances
from ramify.train.initial import value_head
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

    weight         of the mean cross entropies of both questions, and of the sense, beside the preference loss
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

    With a skill goes a sense: a linear head on the stream before the last block says of every token of a solution
    whether all is right so far. It is forgotten afterwards: it is there to make the stream know, where a question can
    look it up in the last block. At the full scale its budget did not get it far (see MODEL_CARD.md).

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
        self.sense_1D = value_head(decoder.config.hidden_size)
        self.modules = nn.ModuleDict({"decoder": decoder})
        if skill is not None:
            self.modules["heads"] = nn.ParameterDict({"sense": self.sense_1D})
        self._known = {} if reference is None else _known_chances(reference, self.pairs)

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The loss of one batch in nats and the number of its rows."""
        pairs = epoch_batch(self.pairs, self.batch, step, self.seed)
        random = Random(f"ask/{self.seed}/{step}")
        winners, losers = [pair.right for pair in pairs], [pair.wrong for pair in pairs]
        solutions = [*winners, *losers, *self._slips(step)]
        texts = [self._text(sample, random) for sample in solutions] + self._compared(step, random)
        before_last = max(0, self.decoder.config.num_layers - 2)
        answers_N, choices_Q, stream_MD = chances_and_stream(self.decoder, texts, before_last)
        winner_B, loser_B = answers_N[: self.batch], answers_N[self.batch : 2 * self.batch]
        loss = preference_loss(winner_B - self._reference(winners), loser_B - self._reference(losers), self.beta)
        if self.anchor:
            loss = loss - self.anchor * winner_B.sum() / sum(len(winner.solution) for winner in winners)
        if self.skill is not None:
            right_M = torch.tensor([float(ok) for sample in solutions for ok in sample.right])
            loss = loss + self.skill.weight * self._skill_loss(choices_Q, stream_MD, right_M, self.skill)
        return loss, sum(len(text.rows) for text in texts)

    def _skill_loss(self, choices_Q: Tensor, stream_MD: Tensor, right_M: Tensor, skill: Skill) -> Tensor:
        so_far_Q, which_Q = torch.split(choices_Q, [len(choices_Q) - skill.num_compared, skill.num_compared])
        unit_MD = F.rms_norm(stream_MD.float(), stream_MD.shape[1:])
        sense = F.binary_cross_entropy_with_logits(unit_MD @ self.sense_1D[0], right_M)
        return _tamed(-so_far_Q.mean()) + _tamed(-which_Q.mean()) + sense

    def _reference(self, samples: Sequence[Labelled]) -> Tensor:
        return torch.tensor([self._known.get(id(sample), 0.0) for sample in samples])

    def _text(self, sample: Labelled, random: Random) -> Text:
        asked = [] if self.skill is None else self.skill.judging.asked(sample, random)
        return Text(sample.prompt, sample.solution, asked)

    def _slips(self, step: int) -> list[Labelled]:
        """Solutions with a slip, which are asked about and nothing else."""
        count = 0 if self.skill is None else self.skill.num_slips
        return [] if self.skill is None else [self.skill.slips[i] for i in range(step * count, (step + 1) * count)]

    def _compared(self, step: int, random: Random) -> list[Text]:
        """Pairs side by side, each in one order."""
        if self.skill is None:
            return []
        compared = epoch_batch(self.pairs, self.skill.num_compared, step, self.seed + 1)
        orders = [random.random() < 0.5 for _ in compared]
        return [self.skill.judging.which(pair, first, first) for pair, first in zip(compared, orders, strict=True)]


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
