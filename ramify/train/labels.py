"""What is right about a sampled solution, token by token.

n tokens of the solution, the end token included
"""

from dataclasses import dataclass

from tokenizers import Tokenizer

from ramify.tasks import Problem, check, step_labels
from ramify.train.language import text_ids
from ramify.train.vocabulary import END_ID


@dataclass(frozen=True, slots=True)
class Labelled:
    """A prompt, a sampled solution, and the truth about it.

    prompt      token ids of the problem
    solution    token ids that were sampled, the end token last unless the sample was cut
    canonical   token ids of the canonical solution, the end token last
    right       for each token of `solution`: is everything up to and with it right?
    lines       for each line: the index of its last token in `solution`, and whether it is right
    outcome     is the final answer right?
    """

    prompt: list[int]
    solution: list[int]
    canonical: list[int]
    right: list[bool]
    lines: list[tuple[int, bool]]
    outcome: bool

    @property
    def agreed(self) -> int:
        """How many tokens the sample shares with the canonical solution before they part."""
        return common_prefix(self.solution, self.canonical)


def label(tokenizer: Tokenizer, problem: Problem, prompt: list[int], solution: list[int]) -> Labelled:
    """Label one sample.

    The tokens of a right line are right. In the first wrong line the tokens are right up to where
    it leaves the canonical line; nothing after that is.
    """
    break_id = text_ids(tokenizer, "\n")[0]
    pieces = split_lines(solution, break_id)
    text = tokenizer.decode(solution)
    verdicts = step_labels(problem, text) if text else [False]
    canonical = [*text_ids(tokenizer, problem.solution), END_ID]
    expected = split_lines(canonical, break_id)
    right: list[bool] = []
    for index, (piece, verdict) in enumerate(zip(pieces, verdicts, strict=False)):
        if verdict:
            right += [True] * len(piece)
            continue
        if all(right) and index < len(expected):
            right += [True] * common_prefix(piece, expected[index])
        break
    right += [False] * (len(solution) - len(right))
    ends = [sum(map(len, pieces[: i + 1])) - 1 for i in range(len(pieces))]
    lines = list(zip(ends, verdicts, strict=False))
    return Labelled(prompt, solution, canonical, right, lines, check(problem, text))


def split_lines(ids: list[int], break_id: int) -> list[list[int]]:
    """Cut behind every line break; the end token stays with the last line."""
    lines: list[list[int]] = [[]]
    for token in ids:
        lines[-1].append(token)
        if token == break_id:
            lines.append([])
    return lines if lines[-1] else lines[:-1]


def common_prefix(one: list[int], other: list[int]) -> int:
    """How many first elements are equal."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
