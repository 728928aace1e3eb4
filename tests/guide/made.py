"""Engines with a second writer, and one guide of every kind."""

from typing import Any

from ramify.core.types import Guide, Prompt, Selection
from ramify.core.wants import Search
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.engine.session import Session
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
from tests.toys import prompt, toy

GUIDES: dict[str, Guide] = {
    "genarm": GenARM(arms=("small", "third"), weights=(0.7, -0.4)),
    "contrastive": Contrastive(amateur="small"),
    "classifier-free": ClassifierFree(gamma=1.6, negative=(2, 2, 1)),
    "proxy-tuning": ProxyTuning(tuned="small", untuned="third"),
    "rl-guidance": RLGuidance(tuned="small", w=1.4),
    "nudging": Nudging(nudger="small", threshold=0.5, words=False),
    "entropy-adaptive": EntropyAdaptive(small="small", threshold=1.2, window=2, least=1),
    "uncertainty-mixing": UncertaintyMixing(other="small", beta=0.2),
}


def engine(
    page_size: int = 2,
    num_pages: int = 400,
    *,
    small_pages: int | None = None,
    small: ToyModel | None = None,
    **options: Any,
) -> Engine:
    """The toy with two more writers, "small" and "third"."""
    made = toy(page_size, num_pages, **options)
    vocab = made.target.runner.vocab_size
    for role, salt, pages in (("small", 9, small_pages or num_pages), ("third", 14, num_pages)):
        model = small if small is not None and role == "small" else ToyModel(vocab, salt=salt)
        made.others[role] = toy_model(role, model, num_pages=pages, page_size=page_size, max_positions=64)
    return made


def story(guide: Guide | None, *, seed: int = 0, **sampling: Any) -> Prompt:
    """A prompt under a guide."""
    source = prompt(1, 2, 1, 2, 2, seed=seed, **{"max_tokens": 12, **sampling})
    return Prompt(source.tokens, source.sampling, source.seed, guide=guide)


def ran(search: Search[Selection], on: Engine | None = None, **options: Any) -> Session:
    """A search, alone."""
    return run_alone(on or engine(), search, **options)
