"""Next-token training on problems with their canonical solutions.

R rows (tokens of a batch), V vocabulary
"""

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from ramify.model.decoder import Decoder
from ramify.tasks import TRAINING, Mixture, Problem, generate
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.vocabulary import BEGIN_ID, END_ID

PROMPT_WEIGHT = 0.1


def prompt_ids(tokenizer: Tokenizer, problem: Problem) -> list[int]:
    """The begin token, the problem and a line break."""
    return [BEGIN_ID, *text_ids(tokenizer, problem.prompt)]


def text_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """A text alone, without begin or end."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


class LanguageObjective:
    """Cross entropy of the solution and the end token; the problem's own text counts a tenth.

    Step `i` reads problems `i * batch` ... of the training split of `mixture`, each once.
    """

    def __init__(
        self,
        decoder: Decoder,
        tokenizer: Tokenizer,
        batch: int,
        seed: int,
        mixture: Mixture = TRAINING,
    ) -> None:
        self.decoder, self.tokenizer = decoder, tokenizer
        self.batch, self.seed, self.mixture = batch, seed, mixture
        self.modules = nn.ModuleDict({"decoder": decoder})

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The weighted mean over the rows of one batch, in nats, and the number of rows."""
        problems = [
            generate(self.seed, index, "train", self.mixture)
            for index in range(step * self.batch, (step + 1) * self.batch)
        ]
        pairs = sorted((self._pair(problem) for problem in problems), key=lambda p: len(p[0]) + len(p[1]))
        targets, weights = [], []
        for prompt, solution in pairs:
            targets += [*prompt[1:], *solution]
            weights += [PROMPT_WEIGHT] * (len(prompt) - 1) + [1.0] * len(solution)
        rows = Rows.of([[*prompt, *solution[:-1]] for prompt, solution in pairs])
        with torch.autocast("cpu", torch.bfloat16):
            hidden_RD = self.decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
            logits_RV = self.decoder.logits(hidden_RD)
        loss_R = F.cross_entropy(logits_RV.float(), torch.tensor(targets), reduction="none")
        weight_R = torch.tensor(weights)
        return (loss_R * weight_R).sum() / weight_R.sum(), len(targets)

    def _pair(self, problem: Problem) -> tuple[list[int], list[int]]:
        return prompt_ids(self.tokenizer, problem), [
            *text_ids(self.tokenizer, problem.solution),
            END_ID,
        ]
