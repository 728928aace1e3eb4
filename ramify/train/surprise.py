"""Teach blocks on top of a frozen target to see slips: how unlikely was the token just read?

A slip is rare in the target's own samples, so little of their loss says what a slip looks like.
Here every seventh token of a solution is replaced, as in ELECTRA (Clark et al. 2020,
arXiv:2003.10555), and at every token the blocks must name the target's surprise, -log p in nats.

    R rows (tokens of a batch), D hidden width of the target, V vocabulary
"""

from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from ramify.model.decoder import Decoder
from ramify.tasks import HARD, generate
from ramify.train.initial import value_head
from ramify.train.language import prompt_ids, text_ids
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.vocabulary import END_ID

REPLACED = 0.15
MOST_SURPRISE = 8.0


class SurpriseObjective:
    """The distance of a linear guide on the trunk's hidden rows to the target's surprise.

    Step `i` reads problems `i * batch` ... of the training split under `seed`.
    """

    def __init__(self, decoder: Decoder, target: Decoder, tokenizer: Tokenizer, batch: int, seed: int) -> None:
        self.decoder, self.target, self.tokenizer = decoder, target, tokenizer
        self.batch, self.seed = batch, seed
        self.digits = [text_ids(tokenizer, digit)[0] for digit in "0123456789"]
        self.guide_1D = value_head(decoder.config.hidden_size)
        heads = nn.ParameterDict({"guide": self.guide_1D})
        self.modules = nn.ModuleDict({"decoder": decoder, "heads": heads})

    def loss(self, step: int) -> tuple[Tensor, int]:
        """The loss of one batch and the number of its rows."""
        indices = range(step * self.batch, (step + 1) * self.batch)
        pairs = sorted((self._pair(index) for index in indices), key=lambda p: len(p[0] + p[1]))
        rows = Rows.of([prompt + solution for prompt, solution in pairs])
        read: list[int] = []
        start = 0
        for prompt, solution in pairs:
            read += range(start + len(prompt), start + len(prompt) + len(solution))
            start += len(prompt) + len(solution)
        read_R = torch.tensor(read)
        streams: list[Tensor] = []
        with torch.autocast("cpu", torch.bfloat16):
            hidden_RD = self.decoder(
                rows.tokens_R, rows.positions_R, RaggedCausal(rows), lambda _, h: streams.append(h)
            )
        surprise_R = self._surprise(streams, rows.tokens_R, read_R)
        guess_R = hidden_RD[read_R].float() @ self.guide_1D[0]
        return F.smooth_l1_loss(guess_R, surprise_R), len(rows.tokens_R)

    @torch.no_grad()
    def _surprise(self, streams: list[Tensor], tokens_R: Tensor, read_R: Tensor) -> Tensor:
        """What the target thought of the tokens `read_R`, from its last block's stream."""
        config = self.target.config
        stream_RD = streams[config.num_layers - 1][read_R - 1, : config.hidden_size]
        unit_RD = F.rms_norm(stream_RD.float(), (config.hidden_size,), eps=1e-12)
        logits_RV = self.target.logits(unit_RD * self.target.norm.weight)
        surprise_R = F.cross_entropy(logits_RV, tokens_R[read_R], reduction="none")
        return surprise_R.clamp(max=MOST_SURPRISE)

    def _pair(self, index: int) -> tuple[list[int], list[int]]:
        problem = generate(self.seed, index, "train", HARD)
        solution = [*text_ids(self.tokenizer, problem.solution), END_ID]
        random = Random(f"replace/{self.seed}/{index}")
        for place, token in enumerate(solution):
            if random.random() < REPLACED:
                among = self.digits if token in self.digits else solution
                solution[place] = random.choice(among)
        return prompt_ids(self.tokenizer, problem), solution
