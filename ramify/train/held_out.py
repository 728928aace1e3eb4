"""Block efficiency of a draft, or of Medusa heads, on texts that the target writes to held-out prompts.

R rows (tokens of a batch), T tokens of a text that are drafted, K places of a chain, V vocabulary, H heads
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ramify.model.decoder import Decoder
from ramify.train.efficiency import Efficiency, along, walk
from ramify.train.ragged import RaggedCausal
from ramify.train.sample import Sampling
from ramify.train.written import Laid, Written, lay, write

NEVER = -torch.inf  # log-probability of a draft behind the end of a text


@dataclass(frozen=True, slots=True)
class Guess:
    """What a drafter thought of one text, for a chain from every start.

    logq_TK     log-probability with which it would have drafted the text's token; `NEVER` behind the end
    first_TK    whether that token was its first choice; False behind the end
    """

    logq_TK: Tensor
    first_TK: Tensor


Guesses = Callable[[Laid], list[Guess]]  # one for each text; T may leave out an answer's first tokens


@dataclass(frozen=True, slots=True)
class Measured:
    """Block efficiency with sampling at temperature 1, and with greedy decoding."""

    sampled: Efficiency
    greedy: Efficiency

    def numbers(self) -> dict[str, float]:
        """For the log: both means and their standard errors, in tokens per target pass."""
        return {
            "block_efficiency": round(self.sampled.mean, 4),
            "block_efficiency_error": round(self.sampled.error, 4),
            "greedy_block_efficiency": round(self.greedy.mean, 4),
            "greedy_block_efficiency_error": round(self.greedy.error, 4),
        }


class HeldOut:
    """Texts of a target to held-out prompts, sampled and greedy, in fp32, with the target's log-probabilities.

    They are read `batch` at a time.
    """

    def __init__(self, target: Decoder, prompts: Sequence[list[int]], how: Sampling, batch: int) -> None:
        self.batch = batch
        ordered = sorted(prompts, key=len)  # whoever writes: text i always answers the same prompt
        self.sampled, self.greedy = (
            write(target, ordered, Sampling(temperature=t, limit=how.limit, seed=how.seed, ends=how.ends))
            for t in (1.0, 0.0)
        )
        self.logp: list[Tensor] = []
        for laid in self._laid(self.sampled):
            logp_RV = target_rows(target, laid)[1].log_softmax(-1)
            self.logp += torch.split(logp_RV.gather(-1, laid.next_R[:, None])[:, 0], laid.lengths)

    @torch.no_grad()
    def measure(self, guesses: Guesses) -> Measured:
        """The expected walk along every text; see `ramify.train.efficiency`."""
        sampled = [guess for laid in self._laid(self.sampled) for guess in guesses(laid)]
        greedy = [guess for laid in self._laid(self.greedy) for guess in guesses(laid)]
        ratios = [
            guess.logq_TK - along(logp_T[len(logp_T) - len(guess.logq_TK) :], guess.logq_TK.shape[1], 0.0)
            for guess, logp_T in zip(sampled, self.logp, strict=True)
        ]
        chances = [ratio_TK.clamp(max=0.0).exp() for ratio_TK in ratios]
        return Measured(walk(chances), walk([guess.first_TK.float() for guess in greedy]))

    def _laid(self, texts: Sequence[Written]) -> Iterator[Laid]:
        return (lay(texts[first : first + self.batch]) for first in range(0, len(texts), self.batch))


@torch.no_grad()
def target_rows(target: Decoder, laid: Laid) -> tuple[Tensor, Tensor]:
    """The target's hidden rows [R, D] before every token of the answers, and its logits there [R, V]."""
    hidden_RD = target(laid.rows.tokens_R, laid.rows.positions_R, RaggedCausal(laid.rows))[laid.read_R]
    return hidden_RD, target.logits(hidden_RD)


def chain_guesses(logits_RV: Tensor, laid: Laid, depth: int) -> list[Guess]:
    """A draft model's guesses: its law depends on the text before a token alone, not on where the chain began."""
    logq_R = logits_RV.log_softmax(-1).gather(-1, laid.next_R[:, None])[:, 0]
    first_R = (logits_RV.argmax(-1) == laid.next_R).float()
    parts = zip(torch.split(logq_R, laid.lengths), torch.split(first_R, laid.lengths), strict=True)
    return [Guess(along(logq_T, depth, NEVER), along(first_T, depth, 0.0) > 0) for logq_T, first_T in parts]


def head_guesses(logits_HRV: Tensor, laid: Laid) -> list[Guess]:
    """The heads' guesses: a chain begins behind a token of the target's own, so an answer's first is never drafted.

    The row before token j of an answer gives the target's token j, and head k's guess of token j + 1 + k.
    """
    guesses, start = [], 0
    for length in laid.lengths:
        logits_HTV = logits_HRV[:, start : start + length - 1]
        label_TK = along(laid.next_R[start + 1 : start + length], len(logits_HRV), -1)
        known_TK, label_HT = label_TK >= 0, label_TK.clamp(min=0).T
        logq_TK = logits_HTV.log_softmax(-1).gather(-1, label_HT[..., None])[..., 0].T
        first_TK = (logits_HTV.argmax(-1) == label_HT).T & known_TK
        guesses.append(Guess(logq_TK.masked_fill(~known_TK, NEVER), first_TK))
        start += length
    return guesses
