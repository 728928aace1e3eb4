"""Every kind of reward keeps the laws of `Reward`, on the engine: alone or beside others, in pieces or at once."""

from typing import Any

import pytest

from ramify.core.protocols import AnyReward, Combined, Judged
from ramify.core.types import Branch
from ramify.engine.engine import Engine
from ramify.reward.calibrated import calibrate
from ramify.reward.checker import Checker
from ramify.reward.ensemble import strictest, verdicts, weighted
from ramify.reward.implicit import dpo_implicit
from ramify.reward.likelihood import Likelihood
from ramify.reward.logprob import MeanLogprob
from ramify.reward.outcome import OutcomeReward
from ramify.reward.process import ProcessReward
from ramify.reward.self_evaluation import self_evaluation
from ramify.toy.model import ToyCodec, ToyModel
from ramify.toy.runner import toy_model
from tests import toys
from tests.toys import is_empty, prompt


class Lines(ToyCodec):
    """The toy's codec, with "b" as a line's end."""

    def decode(self, ids: Any) -> str:
        """Letters, and line breaks."""
        return super().decode(ids).replace("b", "\n")


def toy(page_size: int = 2, num_pages: int = 64, **options: Any) -> Engine:
    """The toy with a model that keeps log-probabilities, and one that can be asked."""
    engine, sizes = toys.toy(page_size, num_pages, **options), {"num_pages": num_pages, "max_positions": 64}
    engine.others["likely"] = toy_model("likely", ToyModel(salt=3), scores="logprob", **sizes)
    engine.others["small"] = toy_model("small", ToyModel(salt=9), **sizes)
    return engine


POLICY, VALUE = Likelihood("policy", "likely"), OutcomeReward("orm", "judge")
ASKED = self_evaluation("judge", None, "ab", ("a", "b"))
REWARDS: dict[str, AnyReward] = {
    "checker": Checker(lambda prompt, text: len(text) - 10 * text.count("ab")),
    "logprob": MeanLogprob(),
    "outcome": OutcomeReward("orm", "judge"),
    **{f"process, {how}": ProcessReward("prm", "judge", Lines(3), how) for how in ("min", "last", "mean")},  # type: ignore[arg-type]
    "likelihood": POLICY,
    "likelihood, mean": Likelihood("policy", "likely", reduce="mean"),
    "implicit, by what was drawn": dpo_implicit("dpo", POLICY),
    "implicit, of two": dpo_implicit("dpo", POLICY, Likelihood("reference", "likely", reduce="mean"), beta=0.1),
    "self-evaluation": ASKED,
    "self-evaluation, by another, with a floor": self_evaluation("judge", "small", "b", ("a", "ba"), -2.0),
    "weighted": weighted("sum", [(0.5, VALUE), (-2.0, MeanLogprob())]),
    "strictest": strictest("min", [VALUE, ASKED]),
    "verdicts": verdicts("errors", [VALUE, ASKED, POLICY]),
    "calibrated": calibrate([-0.5, 0.0, 0.5], "exponential", 2.0)(VALUE),
}
every_reward = pytest.mark.parametrize("reward", REWARDS.values(), ids=REWARDS)
JUDGE = ToyModel(salt=5)


def some(engine: Engine, lengths: tuple[int, ...] = (0, 1, 4, 9, 9)) -> list[Branch]:
    """Branches of several lengths; the last is done."""
    live = [engine.prefill(prompt(1, 2, 1, seed=i, logprobs=0, max_tokens=9)) for i in range(len(lengths))]
    for branch, length in zip(live, lengths, strict=True):
        if length:
            engine.advance([branch], length)
    return live


def asks(reward: AnyReward) -> bool:
    """Whether a model is asked about the text."""
    return isinstance(reward, Judged) or (isinstance(reward, Combined) and any(map(asks, reward.parts)))


@every_reward
def test_a_score_does_not_depend_on_who_is_scored_beside_it(reward: AnyReward) -> None:
    engine = toy(num_pages=200)
    live = some(engine)
    together = engine.score(live, reward)
    for i, length in enumerate((0, 1, 4, 9, 9)):
        alone = toy()
        branch = alone.prefill(prompt(1, 2, 1, seed=i, logprobs=0, max_tokens=9))
        if length:
            alone.advance([branch], length)
        assert alone.score([branch], reward) == [together[i]]
    assert engine.score(live[::-1], reward) == together[::-1]


@every_reward
def test_the_same_view_scores_the_same(reward: AnyReward) -> None:
    engine = toy(num_pages=200)
    live = some(engine)
    first = engine.score(live, reward)
    read = {role: account.tokens for role, account in live[0].ledger.models.items()}
    assert engine.score(live, reward) == first
    if not asks(reward):  # a question is read again
        assert {role: account.tokens for role, account in live[0].ledger.models.items()} == read  # it costs nothing


@every_reward
def test_scoring_on_the_way_makes_no_difference(reward: AnyReward) -> None:
    """Piece by piece, after a fork, after a truncation, after the pages were given up: as if read at once."""
    engine = toy(num_pages=300)
    live = engine.fork(engine.prefill(prompt(1, 2, 1, logprobs=0)), 3)
    for turn in range(6):
        engine.advance(live, 2)
        engine.score(live[: turn % 3 + 1], reward)
        if turn == 2:
            live += engine.fork(live[1], 2)
        if turn == 3:
            engine.truncate(live[0], live[0].num_prompt + 3)
            engine.release(live[1])
        if turn == 4:
            engine.release(live[0])
            engine.truncate(live[0], live[0].num_prompt + 2)
    scores = engine.score(live, reward)
    for branch, score in zip(live, scores, strict=True):
        fresh = toy(num_pages=300)
        copy = fresh.prefill(prompt(1, 2, 1, logprobs=0))
        copy.tokens += branch.generated
        copy.logprobs += branch.logprobs
        assert fresh.score([copy], reward) == [score]
    engine.drop(list(engine.branches.values()))
    assert is_empty(engine)


def test_values_are_the_models_at_every_drawn_token() -> None:
    engine = toy(num_pages=300, row_budget=7)
    live = some(engine)
    engine.score(live, OutcomeReward("orm", "judge"))
    for branch in live:
        values = engine.others["judge"].readings[branch.id].values
        want = [JUDGE.value(branch.tokens[: at + 1]) for at in range(branch.num_prompt, len(branch.tokens))]
        assert values == want


@every_reward
def test_a_score_changes_no_law(reward: AnyReward) -> None:
    outcomes = []
    for score in (True, False):
        engine = toy(num_pages=200)
        live = engine.fork(engine.prefill(prompt(1, 2, 1, logprobs=0)), 4)
        for _ in range(4):
            engine.advance(live, 2)
            if score:
                engine.score(live, reward)
        outcomes.append([b.tokens for b in live])
    assert outcomes[0] == outcomes[1]
