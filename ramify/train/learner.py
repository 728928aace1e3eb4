"""What learns to draft: one objective for the loop, which can also be measured and written to a folder."""

from pathlib import Path
from typing import Protocol

from ramify.model.decoder import Decoder
from ramify.train.held_out import Guess
from ramify.train.loop import Objective
from ramify.train.optimiser import Optimiser
from ramify.train.written import Laid, Pool


class Learner(Objective, Protocol):
    """A draft model, or Medusa heads.

    pool         the texts it learns from
    optimiser    of the trained weights
    judge        the decoder whose passes are saved: the target, or the trunk that is trained along with its heads
    """

    pool: Pool
    optimiser: Optimiser

    @property
    def judge(self) -> Decoder: ...

    def guesses(self, laid: Laid) -> list[Guess]:
        """What it would have drafted along texts of the judge."""
        ...

    def write(self, folder: Path) -> None:
        """Leave the weights and their configuration in a folder."""
        ...
