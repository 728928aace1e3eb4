"""The engine against `transformers`: ragged batches, prompts in chunks, forks, truncations, pages, in every mode.

V vocabulary, n rows read at once, D hidden width
"""

from functools import cache

import pytest
import torch

from ramify import api
from ramify.core.sampling import Sampling
from ramify.core.types import Prompt
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.model import checkpoint
from tests.real import zoo
from tests.real.zoo import TOLERANCE, judged

MODES = ("fast", "exact", "reference")
LENGTHS = (65, 3, 17, 70)
LONG = (65, 66, 80, 70)  # past longrope's original context from the first token drawn


class Ids:
    """A codec for models without words: no token ends a text."""

    end_ids, begin_id = frozenset(), 1

    def encode(self, text, add_begin=True):
        return [int(word) for word in text.split()]

    encode_after = encode

    def decode(self, ids):
        return " ".join(map(str, ids))

    def continuation(self, context, ids):
        return self.decode(ids)


@pytest.fixture(params=MODES)
def opened(pairs, request):
    """`opened(name) -> (transformers' model, engine, prompts)`; the books balance and are empty at the end."""
    engines = []

    def make(name):
        long = name == "phi3-longrope"
        model, _, folder = pairs(name)
        weights = checkpoint.load(folder, context=512 if long else None)  # its own: preparing one changes it
        runner = DecoderRunner(weights, num_pages=200, page_size=8, mode=request.param)
        engines.append(Engine(Model("target", runner, Ids()), row_budget=24))
        prompts = [tuple(zoo.text(n, runner.vocab_size, seed=n).tolist()) for n in (LONG if long else LENGTHS)]
        return model, engines[-1], prompts

    yield make
    for engine in engines:
        engine.check()
        engine.drop(list(engine.branches.values()))
        engine.check()


def open_all(engine, prompts, **sampling):
    """All prompts at once, so that their chunks share steps."""
    branches = [engine.open(Prompt(tokens, Sampling(**sampling), seed=i)) for i, tokens in enumerate(prompts)]
    engine.read(branches)
    return branches


@pytest.fixture(scope="module")
def greedy(pairs):
    """`greedy(name, prompt) -> 64 tokens` by `transformers`, asked once for all modes."""
    return cache(lambda name, prompt: generated(pairs(name)[0], prompt, 64))


def generated(model, prompt, count):
    tokens = torch.tensor([prompt])
    out = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("name", zoo.NINE)
def test_64_greedy_tokens(opened, greedy, name):
    """Also of branches forked on the way, after truncations, with neighbours dropped, and of prompts known already."""
    _, engine, prompts = opened(name)
    branches = open_all(engine, prompts, temperature=0)
    engine.advance(branches, 20)
    forks = [engine.fork(branch, 2) for branch in branches]
    engine.drop(branches[::2])
    engine.truncate(forks[0][0], len(prompts[0]) + 3)
    engine.truncate(forks[1][1], len(prompts[1]))
    alive = [*branches[1::2], *(child for pair in forks for child in pair)]
    engine.advance(alive, 44)
    engine.advance([forks[0][0]], 17)
    engine.advance([forks[1][1]], 20)
    for branch in alive:
        assert branch.generated == greedy(name, tuple(branch.tokens[: branch.num_prompt]))
    engine.drop(alive)
    again = open_all(engine, prompts, temperature=0)  # their pages are still in the prefix tree
    assert sum(branch.ledger.model("target").tokens for branch in again) < sum(map(len, prompts)) / 4
    engine.advance(again, 10)
    assert [branch.generated for branch in again] == [greedy(name, prompt)[:10] for prompt in prompts]


class Watched:
    """Every hidden row that the engine computes for some branches, held against `transformers`."""

    def __init__(self, engine, model):
        self.engine, self.model, self.rows, self.count = engine, model, [], 0

    def add(self, branches):
        for branch in branches:
            self.engine.target.readings[branch.id].watcher = lambda start, n, b=branch: self.rows.append(
                (b, start, n.clone())
            )

    def compare(self):
        """All rows since the last time; between two times branches only grow."""
        want = {branch: judged(self.model, torch.tensor(branch.tokens)) for branch, _, _ in self.rows}
        for branch, start, hidden_nD in self.rows:
            got_nV = self.engine.target.runner.logits(hidden_nD)
            torch.testing.assert_close(got_nV, want[branch][start : start + len(got_nV)], rtol=0, atol=TOLERANCE)
            self.count += len(got_nV)
        self.rows.clear()


@pytest.mark.parametrize("name", zoo.NINE)
def test_logits_of_every_row(opened, name):
    """Of prompts, of sampled texts that differ, after forks, truncations and drops."""
    model, engine, prompts = opened(name)
    watched = Watched(engine, model)
    branches = [engine.open(Prompt(tokens, Sampling(), seed=i)) for i, tokens in enumerate(prompts)]
    watched.add(branches)
    engine.read(branches)
    engine.advance(branches, 12)
    watched.compare()

    children = [child for branch in branches for child in engine.fork(branch, 2)]
    watched.add(children)
    engine.advance([*branches, *children], 10)
    watched.compare()
    assert len({tuple(branch.tokens) for branch in (*branches, *children)}) == 12

    engine.drop([*branches[:2], children[7]])
    engine.truncate(children[0], len(prompts[0]) + 2)
    engine.truncate(children[2], len(prompts[1]) + 13)
    grown = [*children[:7], *engine.fork(children[0], 2)]
    watched.add(grown[7:])
    engine.advance(grown, 11)
    watched.compare()
    assert watched.count > 400


@pytest.mark.parametrize("mode", MODES)
def test_stories260K_tells_its_authors_story(assets, mode):
    """The text that the weights' author publishes for 200 greedy steps from the begin token, byte for byte."""
    folder = assets / "lm" / "stories260K"
    with api.load(folder, mode=mode, dtype="float32") as lm, lm.prefill("", temperature=0, seed=0) as branch:
        branch.advance(200)
        assert len(branch.tokens) == 200
        assert branch.text.encode() == (folder / "expected_greedy_200.txt").read_bytes()
