"""What preference-trained models can do on held-out problems: tell right from wrong, and write.

Rewards are measured on pairs: the share, among all right and wrong samples of one problem, in which the right one's is
greater. Judgements are the log odds of the choices, as whoever asks at inference time reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from tokenizers import Tokenizer

from ramify.model.decoder import Decoder
from ramify.train.branched import Text, log_chances
from ramify.train.judge_texts import Judging
from ramify.train.labels import Labelled
from ramify.train.metrics import auc, best
from ramify.train.pairs import Pair

AT_ONCE = 48


@dataclass(frozen=True, slots=True)
class Odds:
    """log p(yes) - log p(no) in nats, of places in solutions, with the truth."""

    values: list[float]
    right: list[bool]

    @property
    def auc(self) -> float:
        """The chance that a right place has the greater odds."""
        return auc(self.values, self.right)

    @property
    def accuracy(self) -> float:
        """The share of places where the likelier choice is the true one."""
        return sum((value > 0) == ok for value, ok in zip(self.values, self.right, strict=True)) / len(self.right)


def groups_of(samples: Sequence[Labelled]) -> list[list[Labelled]]:
    """Samples that stand side by side and have one prompt."""
    return [list(group) for _, group in groupby(samples, lambda sample: sample.prompt)]


def pair_accuracy(samples: Sequence[Labelled], rewards: Sequence[float]) -> float:
    """The share of pairs of one problem in which the right sample's reward is greater, ties counted half.

    ValueError when no problem has both.
    """
    values = iter(rewards)
    won = pairs = 0.0
    for group in groups_of(samples):
        own = [next(values) for _ in group]
        right = [value for value, sample in zip(own, group, strict=True) if sample.outcome]
        wrong = [value for value, sample in zip(own, group, strict=True) if not sample.outcome]
        won += sum((r > w) + 0.5 * (r == w) for r in right for w in wrong)
        pairs += len(right) * len(wrong)
    if not pairs:
        raise ValueError(f"no problem has both right and wrong ones among its {len(samples)} samples")
    return won / pairs


def best_by(samples: Sequence[Labelled], rewards: Sequence[float]) -> float:
    """The share of problems whose sample of the greatest reward is right."""
    values, groups = iter(rewards), groups_of(samples)
    chosen = [best([next(values) for _ in group], [sample.outcome for sample in group]) for group in groups]
    return sum(chosen) / len(chosen)


@torch.no_grad()
def odds(decoder: Decoder, judging: Judging, samples: Sequence[Labelled], whole: bool) -> Odds:
    """ "Is this right so far?" of every `whole` solution without its end token, or of the ends of all lines before."""
    places = [_whole(sample) if whole else _partial(sample) for sample in samples]
    texts = [
        Text(s.prompt, s.solution, [judging.so_far(len(s.prompt) + i + 1, ok) for i in at for ok in (True, False)])
        for s, at in zip(samples, places, strict=True)
    ]
    choices = torch.cat([log_chances(decoder, texts[i : i + AT_ONCE])[1] for i in range(0, len(texts), AT_ONCE)])
    values = (choices[0::2] - choices[1::2]).tolist()
    return Odds(values, [s.right[i] for s, at in zip(samples, places, strict=True) for i in at])


def _whole(sample: Labelled) -> list[int]:
    return [max(0, len(sample.solution) - 2)]


def _partial(sample: Labelled) -> list[int]:
    return [end for end, _ in sample.lines[:-1]]


@dataclass(frozen=True, slots=True)
class Compared:
    """Pairs shown side by side in both orders.

    accuracy     of the likelier choice, over pairs and orders
    agreement    share of pairs in which both orders name the same solution
    decided      accuracy over both orders together: of the summed odds
    """

    accuracy: float
    agreement: float
    decided: float


@torch.no_grad()
def compare(decoder: Decoder, judging: Judging, pairs: Sequence[Pair]) -> Compared:
    """Ask which of the two is right."""
    texts = [
        judging.which(pair, first, choose) for pair in pairs for first in (True, False) for choose in (True, False)
    ]
    choices = torch.cat([log_chances(decoder, texts[i : i + AT_ONCE])[1] for i in range(0, len(texts), AT_ONCE)])
    first_P2 = (choices[0::2] - choices[1::2]).view(-1, 2)  # odds of " first", the right one first and second
    for_right_P2 = first_P2 * torch.tensor([1.0, -1.0])
    right_P2 = for_right_P2 > 0
    agreed = (right_P2[:, 0] == right_P2[:, 1]).float().mean()
    decided = (for_right_P2.sum(1) > 0).float().mean()
    return Compared(float(right_P2.float().mean()), float(agreed), float(decided))


def first_pairs(samples: Sequence[Labelled], most: int) -> list[Pair]:
    """At most `most` pairs of every problem, each solution used once."""
    pairs = []
    for group in groups_of(samples):
        right = [sample for sample in group if sample.outcome]
        wrong = [sample for sample in group if not sample.outcome]
        pairs += [Pair(r, w) for r, w in list(zip(right, wrong, strict=False))[:most]]
    return pairs


def judged_numbers(
    decoder: Decoder, tokenizer: Tokenizer, samples: Sequence[Labelled], pairs_each: int = 2
) -> dict[str, float]:
    """AUCs and accuracies of the judgements on held-out samples."""
    judging = Judging(tokenizer)
    whole, partial = (odds(decoder, judging, samples, whole=flag) for flag in (True, False))
    pairs = judging.fitting(first_pairs(samples, pairs_each), decoder.config.max_positions)
    compared = compare(decoder, judging, pairs)
    return {
        "judge_whole_auc": whole.auc,
        "judge_whole_accuracy": whole.accuracy,
        "judge_partial_auc": partial.auc,
        "judge_partial_accuracy": partial.accuracy,
        "which_accuracy": compared.accuracy,
        "which_agreement": compared.agreement,
        "which_decided": compared.decided,
    }
