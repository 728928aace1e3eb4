"""Every proof of guides and of models that take turns holds; and a mistake is noticed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from torch import Tensor

from ramify.core.registry import lookup, names
from ramify.core.types import best_of
from ramify.guide import adaptive, contrastive, mixing, nudging, reward_guided, rl_guidance
from ramify.guide.nudging import Nudging
from ramify.verify import collaboration, guides
from ramify.verify.guides import rl_gap
from ramify.verify.toys import law_of, text_law

EXACT = 1e-12
PROOFS = guides.PROOFS | collaboration.PROOFS


@pytest.mark.parametrize("claim", PROOFS, ids=": ".join)
def test_every_proof_holds(claim: tuple[str, str]) -> None:
    assert PROOFS[claim]() <= EXACT


def test_every_guide_is_proved() -> None:
    assert {subject.removeprefix("guide ") for subject, _ in guides.PROOFS} == set(names("guide"))


def test_claims_are_of_different_laws() -> None:
    """A guide whose closed form were the target's own would prove nothing."""
    rows = [guides.contrast(0.4, 0.6), guides.mixed(0.3, 0.8, 1.3), guides.top_two]
    rows += [guides.switching(1.4, window, least) for window, least in ((2, 1), (1, 2), (1, 1))]
    rows += [guides.nudged(guides.TARGET, guides.SMALL, 0.55, words) for words in (False, True)]
    four = guides.Sampling(max_tokens=4)
    laws = [text_law(four), text_law(four, guides.SMALL), *(guides.chain(row, 4) for row in rows)]
    far = [guides.total_variation(a, b) for i, a in enumerate(laws) for b in laws[:i]]
    assert min(far) > 1e-3
    assert guides.total_variation(collaboration.judged(0.0, False), collaboration.judged(-0.2, True)) > 1e-3


def test_averaging_tokens_is_not_averaging_texts() -> None:
    """RL guidance meets the optimum at beta / w for texts of one token; for longer ones it misses it by this much."""
    gaps = [rl_gap(length) for length in (1, 2, 3, 4)]
    assert gaps[0] <= EXACT
    assert gaps[1:] == pytest.approx([0.0245064, 0.0636166, 0.0728744], abs=1e-6)
    assert rl_gap(3, w=1.0) <= EXACT


def _twice(function: Callable[..., Tensor]) -> Callable[..., Any]:
    """A product in which the first part counts twice."""
    return lambda parts: function([(2 * parts[0][0], parts[0][1]), *parts[1:]])


@pytest.mark.parametrize(
    ("module", "name", "broken", "claim"),
    [
        (reward_guided, "log_product", _twice, ("guide genarm", "the normalised product of two arms")),
        (
            reward_guided,
            "among_top",
            lambda f: lambda x, k: f(x, k + 1),
            ("guide genarm", "among the base's two likeliest"),
        ),
        (contrastive, "plausible", lambda f: lambda x, a: f(x, a / 2), ("guide contrastive", "the closed form")),
        (rl_guidance, "log_product", _twice, ("guide rl-guidance", "the closed form")),
        (nudging, "top_masses", lambda f: lambda x: [m * 0.7 for m in f(x)], ("guide nudging", "token by token")),
        (adaptive, "log", lambda f: lambda x: 1.0, ("guide entropy-adaptive", "the leader's law")),
        (
            mixing,
            "entropies",
            lambda f: lambda x: [u + 0.1 for u in f(x)],
            ("guide uncertainty-mixing", "the closed form"),
        ),
    ],
)
def test_a_mistake_is_noticed(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, broken: Callable[..., Any], claim: tuple[str, str]
) -> None:
    monkeypatch.setattr(module, name, broken(getattr(module, name)))
    assert PROOFS[claim]() > 1e-3


def test_a_judge_that_accepts_too_much_is_noticed() -> None:
    """SpecReason at another threshold, against the closed form of this one."""
    options = collaboration.STEPS | {"small": "small", "select": best_of}
    run = partial(lookup("method", "spec-reason").run, threshold=0.2, **options)
    assert collaboration.total_variation(law_of(run), collaboration.judged(0.0, False)) > 1e-3


def test_forgetting_that_a_word_goes_on_is_noticed() -> None:
    guide = Nudging(nudger="small", threshold=0.55, words=False)
    far = guides.total_variation(
        guides.guided(guide, guides.Sampling(max_tokens=4)),
        guides.chain(guides.nudged(guides.TARGET, guides.SMALL, 0.55, True), 4),
    )
    assert far > 1e-3
