"""Who reads what, and when: each model reads each token once, and not before somebody wants it."""

import math

import pytest
import torch

from ramify.core.registry import lookup
from ramify.core.sampling import Sampling
from ramify.core.types import Guide, Prompt
from ramify.core.wants import Finish
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.guide.adaptive import EntropyAdaptive
from ramify.guide.classifier_free import ClassifierFree
from ramify.guide.mixing import UncertaintyMixing
from ramify.guide.nudging import Nudging
from ramify.guide.reward_guided import GenARM
from ramify.toy.model import ToyModel
from ramify.toy.runner import ToyRunner
from tests.engine.scripts import Words
from tests.guide.made import GUIDES, engine, ran, story
from tests.laws.labs import tiny
from tests.toys import Ids, grown, texts, tiny_checkpoint


def tiny_pair() -> Engine:
    """Two decoders in exact mode."""
    made = tiny("exact").make()
    runner = DecoderRunner(tiny_checkpoint(seed=1), num_pages=256, page_size=4, mode="exact")
    made.others |= {"small": Model("small", runner, Ids())}
    runner = DecoderRunner(tiny_checkpoint(seed=2), num_pages=256, page_size=4, mode="exact")
    made.others |= {"third": Model("third", runner, Ids())}
    return made


def tokens_read(guide: Guide | None, n: int = 3) -> dict[str, int]:
    session = ran(grown(story(guide), n, Finish()))
    assert session.ledger.recomputed_tokens == 0
    return {role: account.tokens for role, account in session.ledger.models.items()}


@pytest.mark.parametrize("name", GUIDES)
def test_each_token_is_read_once(name: str) -> None:
    """5 prompt tokens, three texts of 12 whose last token nobody wants to go on from."""
    most = 5 + 3 * 11
    read = tokens_read(GUIDES[name])
    contexts = 3 + 3 * 11 if name == "classifier-free" else 0  # a companion's prompt, and the texts once more
    assert read["target"] <= most + contexts
    assert all(count <= most for role, count in read.items() if role != "target")


@pytest.mark.parametrize(
    ("guide", "idle"),
    [
        (GenARM(arms="small", weights=0.0), "small"),
        (Nudging(nudger="small", threshold=0.0), "small"),
        (Nudging(nudger="small", threshold=1.1), "target"),
        (EntropyAdaptive(small="small", threshold=9.0), "target"),
        (EntropyAdaptive(small="small", threshold=-1.0), "small"),
        (UncertaintyMixing(other="small", share=0.0), "small"),
    ],
)
def test_who_has_no_say_reads_nothing(guide: Guide, idle: str) -> None:
    assert tokens_read(guide).get(idle, 0) == 0


def test_gamma_one_reads_no_other_prompt() -> None:
    assert tokens_read(ClassifierFree(gamma=1.0, negative=(2, 2, 1))) == tokens_read(None)


def test_a_nudger_reads_when_it_is_asked() -> None:
    """It holds nothing of a branch before the first nudge, then all of it at the last one."""
    made = engine()
    branch = made.prefill(story(Nudging(nudger="small", threshold=0.5, words=False)))
    small, seen = made.others["small"], set[tuple[float, ...]]()
    for _ in range(12):
        made.advance([branch], 1)
        nudges = [at for at, note in enumerate(branch.notes) if note == 1.0]
        held = small.held(branch) if branch.id in small.readings else 0
        assert held == (branch.num_prompt + nudges[-1] if nudges else 0)
        seen.add(tuple(branch.notes[-1:]))
    assert seen == {(0.0,), (1.0,)}
    made.drop([branch])


def test_an_idle_model_catches_up_at_once() -> None:
    """The target holds nothing until it leads, and everything then."""
    guide = EntropyAdaptive(small="small", threshold=1.35, window=1, least=1)
    made = engine()
    branches = made.fork(made.open(story(guide)), 8)
    led = set[bool]()
    for _ in range(10):
        leaders = {b.id: guide.leads(b) for b in branches}
        before = {b.id: made.target.held(b) for b in branches}
        made.advance(branches, 1)
        for b in branches:
            large = leaders[b.id] is None
            led.add(large)
            assert made.target.held(b) == (len(b.tokens) - 1 if large else before[b.id])
            assert (math.copysign(1, b.notes[-1]) < 0) == large
    assert led == {True, False}
    made.drop(list(made.branches.values()))


def test_caught_up_pages_are_those_of_a_fresh_prefill() -> None:
    """Bit for bit, in exact mode: the next law of a text that was read late and in pieces."""
    guide = EntropyAdaptive(small="small", threshold=3.2, window=2, least=2)
    made = tiny_pair()
    branch = made.prefill(Prompt((1, 5, 9, 2), Sampling(max_tokens=40), guide=guide))
    made.advance([branch], 30)
    assert {math.copysign(1, note) for note in branch.notes} == {1.0, -1.0}
    made.read([branch])
    made.read([branch], made.others["small"])
    fresh = tiny_pair()
    whole = fresh.prefill(Prompt(tuple(branch.tokens)))
    fresh.read([whole], fresh.others["small"])
    for late, at_once in ((made.target, fresh.target), (made.others["small"], fresh.others["small"])):
        mine, theirs = late.frontier(branch), at_once.frontier(whole)
        assert mine is not None and theirs is not None and torch.equal(mine, theirs)


@pytest.mark.parametrize("name", GUIDES)
def test_rows_never_couple(name: str) -> None:
    """A row of a batch is bit for bit the row by itself, whoever stands beside it."""
    made = tiny_pair()
    prompts = [(1, 5, 9, 2), (3, 3), (1, 5, 9, 7, 7, 11, 4)]
    branches = [made.prefill(Prompt(tokens, Sampling(max_tokens=20), guide=GUIDES[name])) for tokens in prompts]
    made.advance(branches, 5)
    together = made.guidance.shaped(made.guidance.logits(None, branches), branches)
    notes = [b.notes.pop() for b in branches]
    for row, branch in enumerate(branches):
        alone = made.guidance.shaped(made.guidance.logits(None, [branch]), [branch])
        assert torch.equal(alone[0], together[row])
        assert branch.notes.pop() == notes[row]
    made.drop(branches)


def test_a_nudged_word_goes_on_to_its_end() -> None:
    """Tokens without a space go on with a word: nudged until the nudger's likeliest token begins another."""
    codec = Words("go", " on", "ing", " stop", ".")
    runners = [ToyRunner(ToyModel(5, salt=salt), num_pages=99) for salt in (0, 4)]
    made = Engine(Model("target", runners[0], codec), {"small": Model("small", runners[1], codec)})
    assert made.guidance.begins_word().tolist() == [False, True, False, True, True]
    seen = set[tuple[bool, bool]]()
    for seed in range(6):
        guide = Nudging(nudger="small", threshold=0.35)
        branch = made.prefill(Prompt((0, 1), Sampling(max_tokens=12, ignore_eos=True), seed=seed, guide=guide))
        made.advance([branch], 12)
        for at in range(1, 12):
            text = branch.tokens[: branch.num_prompt + at]
            unsure = float(ToyModel(5).logits(text).softmax(-1).max()) < 0.35
            goes_on = int(ToyModel(5, salt=4).logits(text).argmax()) in (0, 2)
            within = branch.notes[at - 1] == 1.0 and goes_on
            assert branch.notes[at] == float(unsure or within)
            seen.add((unsure, within))
        made.drop([branch])
    assert len(seen) == 4


def test_shares_follow_the_uncertainty() -> None:
    """The other model's share is nothing for a certain token, more for a less certain one, a third at most."""
    made = engine()
    branch = made.prefill(story(lookup("guide", "uncertainty-mixing").make(other="small")))
    made.advance([branch], 12)
    assert all(0.0 < note < 1 / 3 for note in branch.notes) and len(set(branch.notes)) > 3
    made.drop([branch])
    assert texts(ran(grown(story(GUIDES["uncertainty-mixing"]), 1, Finish())).result)
