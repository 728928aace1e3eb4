"""The prompts a target answers while a draft learns from it: generated problems, or a file of the user's own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ramify.core.errors import BadInput
from ramify.model.tokenizer import Tokenizer
from ramify.tasks import EVALUATION, TRAINING, generate

FEWEST = 4
HELD_OUT_SEED = 2025


class Prompts(Protocol):
    """Token ids of prompts; those held out are in no other."""

    def training(self, index: int) -> list[int]:
        """Training prompt number `index`, whatever the number."""
        ...

    def held_out(self, count: int) -> list[list[int]]:
        """At most `count` prompts, always the same."""
        ...


@dataclass(frozen=True, slots=True)
class Problems:
    """Generated problems without end: of the training mixture; held out, the mixture of every reported number."""

    tokenizer: Tokenizer
    seed: int

    def training(self, index: int) -> list[int]:
        """Problem number `index` of the training split."""
        return self.tokenizer.encode(generate(self.seed, index, "train", TRAINING).prompt)

    def held_out(self, count: int) -> list[list[int]]:
        """The first `count` held-out problems, whatever the seed."""
        problems = (generate(HELD_OUT_SEED, index, "held_out", EVALUATION) for index in range(count))
        return [self.tokenizer.encode(problem.prompt) for problem in problems]


@dataclass(frozen=True, slots=True)
class Listed:
    """Prompts of a file, round and round; every tenth, at least two, is held out."""

    prompts: list[list[int]]

    def training(self, index: int) -> list[int]:
        """Prompt number `index` of those that are not held out, beginning again after the last."""
        kept = [prompt for place, prompt in enumerate(self.prompts) if not self._is_held_out(place)]
        return kept[index % len(kept)]

    def held_out(self, count: int) -> list[list[int]]:
        """The first `count` of those held out."""
        return [prompt for place, prompt in enumerate(self.prompts) if self._is_held_out(place)][:count]

    def _is_held_out(self, place: int) -> bool:
        return place % min(10, len(self.prompts) // 2) == 0


def read_prompts(path: Path, tokenizer: Tokenizer, longest: int) -> Listed:
    """The prompts of a file with one {"prompt": text} a line; blank lines and further keys are passed over.

    Args:
        longest: tokens a prompt may have, so that an answer still fits behind it.

    Raises:
        BadInput: no such file, a line that is no such object, a prompt that is empty or too long, or too few of them.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("data", f"{path}: cannot be read ({error})") from error
    prompts = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        ids = tokenizer.encode(_prompt(line, f"{path}, line {number}"))
        if not 0 < len(ids) <= longest:
            raise BadInput("data", f"{path}, line {number}: {len(ids)} tokens; a prompt has 1 to {longest} here")
        prompts.append(ids)
    if len(prompts) < FEWEST:
        raise BadInput("data", f"{path}: {len(prompts)} prompts; {FEWEST} or more are needed, as some are held out")
    return Listed(prompts)


def _prompt(line: str, place: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput("data", f"{place}: not JSON ({error})") from error
    prompt = record.get("prompt") if isinstance(record, dict) else None
    if not isinstance(prompt, str):
        raise BadInput("data", f'{place}: {{"prompt": "a text"}} is expected')
    return prompt
