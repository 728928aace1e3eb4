"""Solutions of the target at temperature 1: the reward models' data, and the report's."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from tokenizers import Tokenizer

from ramify.model.decoder import Decoder
from ramify.tasks import HARD, Mixture, Problem, Split, generate
from ramify.train.labels import Labelled, label
from ramify.train.language import prompt_ids
from ramify.train.sample import Sampling, complete

SEQUENCES_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Which problems are sampled: the first `problems` of a split under `seed`, `each` times."""

    seed: int
    problems: int
    each: int
    split: Split = "train"
    mixture: Mixture = HARD

    def problem(self, index: int) -> Problem:
        """Problem number `index` of the drawn ones."""
        return generate(self.seed, index, self.split, self.mixture)


def draw_samples(decoder: Decoder, tokenizer: Tokenizer, drawn: Drawn, path: Path) -> None:
    """Append the samples that `path` lacks, one JSON object a problem: its index, lists of ids.

    Drawn in bfloat16: twice as fast, and the labels are true whoever drew.
    """
    done, at_once = _num_lines(path), max(1, SEQUENCES_AT_ONCE // drawn.each)
    with path.open("a", encoding="utf-8") as file:
        for first in track(range(done, drawn.problems, at_once), "samples", transient=True):
            indices = range(first, min(first + at_once, drawn.problems))
            prompts = [prompt_ids(tokenizer, drawn.problem(i)) for i in indices]
            many = [prompt for prompt in prompts for _ in range(drawn.each)]
            with torch.autocast("cpu", torch.bfloat16):
                ids = complete(decoder, many, Sampling(temperature=1.0, seed=drawn.seed + first))
            for row, index in enumerate(indices):
                part = ids[row * drawn.each : (row + 1) * drawn.each]
                file.write(json.dumps({"index": index, "samples": part}) + "\n")
            file.flush()


def read_samples(tokenizer: Tokenizer, drawn: Drawn, path: Path) -> list[Labelled]:
    """Every sample with its labels, in the order of the file."""
    labelled = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            problem = drawn.problem(record["index"])
            prompt = prompt_ids(tokenizer, problem)
            labelled += [label(tokenizer, problem, prompt, ids) for ids in record["samples"]]
    return labelled


def _num_lines(path: Path) -> int:
    if not path.exists():
        return 0
    whole = path.read_text(encoding="utf-8")
    kept = whole[: whole.rfind("\n") + 1]  # a line that was cut off is drawn again
    path.write_text(kept, encoding="utf-8")
    return kept.count("\n")
