"""Bad input of guides: wrong roles, lists that do not fit, numbers out of range, vocabularies and contexts that differ,
models without pages. Nobody else is harmed."""

from collections.abc import Callable

import pytest

from ramify.core.errors import BadInput, OutOfPages, UnknownName
from ramify.core.types import Guide
from ramify.core.wants import Finish
from ramify.engine.driver import Driver
from ramify.guide.adaptive import EntropyAdaptive
from ramify.guide.classifier_free import ClassifierFree
from ramify.guide.contrastive import Contrastive
from ramify.guide.mixing import UncertaintyMixing
from ramify.guide.nudging import Nudging
from ramify.guide.proxy_tuning import ProxyTuning
from ramify.guide.reward_guided import GenARM
from ramify.guide.rl_guidance import RLGuidance
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.guide.made import GUIDES, engine, ran, story
from tests.toys import grown, texts


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: GenARM(arms=()), "arms"),
        (lambda: GenARM(arms=("a", "")), "arms"),
        (lambda: GenARM(arms=("a", "b"), weights=(1.0,)), "weights"),
        (lambda: GenARM(arms="a", weights=float("nan")), "weights"),
        (lambda: GenARM(arms="a", top_k=-1), "top_k"),
        (lambda: Contrastive(amateur="a", alpha=1.5), "alpha"),
        (lambda: Contrastive(amateur="a", beta=-0.1), "beta"),
        (lambda: Contrastive(amateur=""), "amateur"),
        (lambda: ClassifierFree(gamma=float("inf")), "gamma"),
        (lambda: ClassifierFree(negative=()), "negative"),
        (lambda: ClassifierFree(negative=(-1,)), "negative"),
        (lambda: ProxyTuning(tuned="a", untuned=3), "untuned"),  # type: ignore[arg-type]
        (lambda: RLGuidance(tuned="a", w=float("nan")), "w"),
        (lambda: Nudging(nudger="a", threshold=-0.1), "threshold"),
        (lambda: Nudging(nudger="a", words=1), "words"),  # type: ignore[arg-type]
        (lambda: EntropyAdaptive(small="a", window=0), "window"),
        (lambda: EntropyAdaptive(small="a", least=0), "least"),
        (lambda: UncertaintyMixing(other="a", beta=0.6), "beta"),
        (lambda: UncertaintyMixing(other="a", share=1.1), "share"),
        (lambda: UncertaintyMixing(other="a", temperature=0.0), "temperature"),
    ],
)
def test_options_out_of_range(make: Callable[[], Guide], field: str) -> None:
    with pytest.raises(BadInput, match=field):
        make()


@pytest.mark.parametrize(
    ("guide", "error"),
    [(Contrastive(amateur="smal"), UnknownName), (Contrastive(amateur="judge"), BadInput)],
)
def test_a_wrong_role_ends_its_own_search(guide: Guide, error: type[Exception]) -> None:
    """A name that nobody has, a model that scores: refused before anything is read."""
    driver = Driver(engine())
    wrong, right = driver.submit(grown(story(guide), 2, Finish())), driver.submit(grown(story(None), 2, Finish()))
    driver.run()
    assert isinstance(wrong.error, error)
    assert right.error is None and right.result is not None


def test_a_negative_prompt_outside_the_vocabulary() -> None:
    with pytest.raises(BadInput, match="vocabulary"):
        ran(grown(story(ClassifierFree(negative=(7,))), 1, Finish()))


def test_a_long_negative_prompt_shortens_the_text() -> None:
    """Its reading ends where the context does: 64 tokens with 58 before the text."""
    session = ran(grown(story(ClassifierFree(negative=(1, 2) * 29)), 2, Finish()))
    assert session.result is not None
    assert {(e.branch.num_generated, e.branch.finish) for e in session.result.ended} == {(6, "length")}
    with pytest.raises(BadInput, match="negative"):
        ran(grown(story(ClassifierFree(negative=(1, 2) * 32)), 1, Finish()))


@pytest.mark.parametrize("vocab", [2, 5])
@pytest.mark.parametrize("name", ["genarm", "contrastive", "rl-guidance", "uncertainty-mixing", "nudging"])
def test_vocabularies_of_other_sizes(name: str, vocab: int) -> None:
    """What the target lacks is cut; what the other lacks is not said where laws are multiplied."""
    session = ran(grown(story(GUIDES[name]), 8, Finish()), engine(small=ToyModel(vocab, salt=9)))
    said = {token for text in texts(session.result) for token in text}
    assert said <= {0, 1, 2}
    if vocab == 2 and name in ("genarm", "contrastive", "rl-guidance"):
        assert 2 not in said


def test_a_text_ends_where_the_shortest_context_does() -> None:
    made = engine()
    made.others["small"] = toy_model("small", ToyModel(salt=9), num_pages=64, max_positions=9)
    session = ran(grown(story(GUIDES["genarm"]), 2, Finish()), made)
    assert session.result is not None
    assert {(len(e.branch.tokens), e.branch.finish) for e in session.result.ended} == {(9, "length")}
    made.others["small"] = toy_model("small", ToyModel(salt=9), num_pages=64, max_positions=5)
    with pytest.raises(BadInput, match="'small'"):
        ran(grown(story(GUIDES["genarm"]), 2, Finish()), made)


@pytest.mark.parametrize("name", ["genarm", "nudging", "entropy-adaptive", "uncertainty-mixing"])
def test_a_guide_short_of_pages_reads_branches_in_turn(name: str) -> None:
    """Room for one branch of the guide's at a time: the same texts, some tokens read again."""
    free = ran(grown(story(GUIDES[name]), 5, Finish()))
    tight = ran(grown(story(GUIDES[name]), 5, Finish()), engine(small_pages=9))
    assert texts(tight.result) == texts(free.result)
    assert free.ledger.recomputed_tokens == 0


def test_a_guide_without_room_for_one_branch_ends_its_search() -> None:
    driver = Driver(engine(small_pages=3))
    starved = driver.submit(grown(story(GUIDES["genarm"]), 2, Finish()))
    fine = driver.submit(grown(story(None), 2, Finish()))
    driver.run()
    assert isinstance(starved.error, OutOfPages)
    assert fine.error is None and fine.result is not None


def test_companions_give_way_like_anybody() -> None:
    """The target's pages hold few branches with their companions: the same texts, whoever waits."""
    guide = GUIDES["classifier-free"]
    free = ran(grown(story(guide), 4, Finish()))
    tight = ran(grown(story(guide), 4, Finish()), engine(num_pages=20))
    assert texts(tight.result) == texts(free.result)
