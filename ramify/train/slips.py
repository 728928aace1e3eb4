"""Solutions with one slip put in on purpose: what a reward model rarely meets among samples, and is fooled by.

The best of many samples is the one that the reward judges worst: an unlikely slip, or a text that stops in the middle
of a line (Gao et al. 2022, "Scaling Laws for Reward Model Overoptimization", arXiv:2210.10760). So beside the target's
own samples the reward models read canonical solutions in which one token was replaced or left out, or where the end
came too soon. They stop at the end of the line with the slip: what would have come after it nobody knows.
"""

from dataclasses import dataclass
from random import Random

from tokenizers import Tokenizer

from ramify.tasks import STUDY, generate
from ramify.train.labels import Labelled, label
from ramify.train.language import prompt_ids, text_ids
from ramify.train.vocabulary import END_ID

CLEAN = 0.25  # share of solutions that are left as they are
DIGIT, OTHER, OMITTED = 0.5, 0.2, 0.1  # shares of the slips; the rest ends too soon


@dataclass(frozen=True, slots=True)
class Slips:
    """`slips[i]`: problem number i of the training split under `seed`, its solution with a slip, labelled."""

    tokenizer: Tokenizer
    seed: int

    def __getitem__(self, index: int) -> Labelled:
        problem = generate(self.seed, index, "train", STUDY)
        solution = [*text_ids(self.tokenizer, problem.solution), END_ID]
        random = Random(f"slip/{self.seed}/{index}")
        if random.random() >= CLEAN:
            solution = self._slip(solution, random)
        return label(self.tokenizer, problem, prompt_ids(self.tokenizer, problem), solution)

    def _slip(self, solution: list[int], random: Random) -> list[int]:
        place, kind = random.randrange(len(solution) - 1), random.random()
        digits = {text_ids(self.tokenizer, digit)[0] for digit in "0123456789"}
        if kind < DIGIT:
            place = random.choice([i for i, token in enumerate(solution) if token in digits])
            slipped = [random.choice(sorted(digits - {solution[place]}))]
        elif kind < DIGIT + OTHER:
            slipped = [random.choice(solution)]
        elif kind < DIGIT + OTHER + OMITTED:
            slipped = []
        else:
            return [*solution[:place], END_ID]
        line_break = text_ids(self.tokenizer, "\n")[0]
        rest = solution[place + 1 :]
        end = rest.index(line_break) + 1 if line_break in rest else len(rest)
        return [*solution[:place], *slipped, *rest[:end]]
