"""A branch was scored with the values of another's text.

A reward model keeps a value for every token it has read, also after its pages were given up. Two branches of one
prompt that had to be read again shared the reading of the prompt, and with the leader's pages the follower took all
of the leader's values: those of the leader's own text too. A process reward then judged steps that the branch had
never taken.
"""

from ramify.toy.model import ToyModel
from tests.engine.scripts import scripted_apart
from tests.toys import JUDGE, prompt, toy

TEXTS = {2: [1, 1, 2, 1, 2, 2], 3: [2, 1, 1, 2, 2, 1]}


def test_values_are_of_ones_own_text() -> None:
    engine = toy(draw=scripted_apart(TEXTS))
    live = engine.fork(engine.prefill(prompt(1, 2, 1)), 2)
    engine.advance(live, 4)
    engine.score(live, JUDGE)
    for branch in live:
        engine.others["judge"].release(branch)
    engine.advance(live, 2)
    engine.score(live, JUDGE)
    for branch in live:
        want = [ToyModel(salt=5).value(branch.tokens[: at + 1]) for at in range(3, len(branch.tokens))]
        assert engine.others["judge"].readings[branch.id].values == want


def test_prompts_of_different_lengths() -> None:
    """The values of a follower begin where its own prompt ends, not where its leader's does."""
    text = [1, 2, 1, 2, 2, 1, 1, 2, 1, 1, 2, 2, 1, 2, 1, 1, 2, 2, 2, 1]
    engine = toy(num_pages=200)
    for first in (4, 9, 20):
        live = [engine.open(prompt(*text[:n])) for n in (first, 12)]
        for branch in live:
            branch.tokens += [*text[branch.num_prompt :], 1, branch.id % 2 + 1]
        engine.score(live, JUDGE)
        for branch in live:
            start, tokens = branch.num_prompt, branch.tokens
            want = [ToyModel(salt=5).value(tokens[: at + 1]) for at in range(start, len(tokens))]
            assert engine.others["judge"].readings[branch.id].values == want
