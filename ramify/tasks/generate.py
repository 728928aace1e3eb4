"""Problems without end: `generate(seed, index, split)` is a pure function of its arguments.

A problem belongs to a split by the hash of its text, so that no seed and no index can ever put one
text on both sides. About one text in ten is held out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from random import Random

from ramify.core.errors import UnknownName
from ramify.tasks.chain import draw_chain
from ramify.tasks.expression import render_expression
from ramify.tasks.problem import SPLITS, Problem, Split
from ramify.tasks.story import render_story

HELD_OUT_IN_256 = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """How hard the problems are.

    num_steps, ceilings    (value, weight) pairs: steps of a solution, bound of every number in it
    expressions            the share of bare expressions, the rest are stories
    comparisons            the share of stories that compare several people's things
    """

    num_steps: tuple[tuple[int, float], ...]
    ceilings: tuple[tuple[int, float], ...]
    expressions: float
    comparisons: float = 0.5


TRAINING = Mixture(
    num_steps=((2, 0.12), (3, 0.20), (4, 0.24), (5, 0.24), (6, 0.20)),
    ceilings=((100, 0.3), (300, 0.4), (999, 0.3)),
    expressions=0.25,
)

# Inside what is trained, but mostly its hard end: where slips are frequent enough to learn from.
HARD = Mixture(
    num_steps=((2, 0.05), (3, 0.05), (4, 0.10), (5, 0.20), (6, 0.60)),
    ceilings=((300, 0.1), (999, 0.9)),
    expressions=0.35,
)
# What the trunk of the reward models studies: whoever judges must know more than whoever is judged.
STUDY = Mixture(
    num_steps=((2, 0.05), (3, 0.15), (4, 0.20), (5, 0.25), (6, 0.35)),
    ceilings=((100, 0.05), (300, 0.15), (999, 0.80)),
    expressions=0.20,
    comparisons=0.8,
)
# The fixed mixture of every reported number: hard, but nearly always solvable by some sample.
EVALUATION = Mixture(
    num_steps=((2, 0.10), (3, 0.20), (4, 0.25), (5, 0.25), (6, 0.20)),
    ceilings=((999, 1.0),),
    expressions=0.15,
    comparisons=0.9,
)


def split_of(text: str) -> Split:
    """The side on which a problem's text lies, whoever generated it."""
    return "held_out" if sha256(text.encode()).digest()[0] < HELD_OUT_IN_256 else "train"


def generate(seed: int, index: int, split: Split, mixture: Mixture = TRAINING) -> Problem:
    """Problem number `index` of `split` under `seed`: the same everywhere and in any order.

    Raises:
        UnknownName: no such split.
    """
    if split not in SPLITS:
        raise UnknownName("split", split, SPLITS)
    for attempt in count():
        random = Random(f"problem/{seed}/{index}/{split}/{attempt}")
        problem = _draw_problem(random, mixture)
        if problem.split == split:
            return problem
    raise AssertionError("count() ended")


def stream(seed: int, split: Split, mixture: Mixture = TRAINING, start: int = 0) -> Iterator[Problem]:
    """`generate` at `start`, `start + 1`, ... without end."""
    for index in count(start):
        yield generate(seed, index, split, mixture)


def _draw_problem(random: Random, mixture: Mixture) -> Problem:
    chain = draw_chain(random, _weighted(random, mixture.num_steps), _weighted(random, mixture.ceilings))
    if random.random() < mixture.expressions:
        text, lines = render_expression(chain, random)
    else:
        text, lines = render_story(chain, random, mixture.comparisons)
    answer = str(chain.values()[-1])
    solution = "\n".join([*lines, f"#### {answer}"])
    return Problem(text, solution, answer, chain.steps(), split_of(text))


def _weighted(random: Random, pairs: tuple[tuple[int, float], ...]) -> int:
    values, weights = zip(*pairs, strict=True)
    return int(random.choices(values, weights)[0])
