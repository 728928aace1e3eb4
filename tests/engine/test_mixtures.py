"""Superposed branches: one reading for several texts, kept through everything that an engine does with pages."""

import math
from collections.abc import Sequence

import pytest

from ramify.core.errors import BadInput, Incompatible
from ramify.core.types import Branch, Budget, Continuation, Prompt, Selection
from ramify.core.wants import Advance, Ask, Extend, Fork, Likeliest, Search, Superpose, Tokens, Truncate
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.engine.superposing import mixture_of, superpose
from ramify.model.paged import Mode
from ramify.toy.model import ToyModel
from tests.toys import Ids, chosen, is_empty, prompt, tiny_checkpoint, toy

STORY = (1, 2, 1)
WEIGHTS = (0.75, 0.25)
LAW = ToyModel().logits


def mean(weights: Sequence[float], *contexts: Sequence[int]) -> list[float]:
    """The weighted mean of the laws behind some contexts."""
    laws = [LAW(context).softmax(-1) for context in contexts]
    return [float(sum(w * law[t] for w, law in zip(weights, laws, strict=True))) for t in range(3)]


def law_of(found: Sequence[Continuation]) -> list[float]:
    return [math.exp(c.logprob) for c in sorted(found, key=lambda c: c.token)]


def mixed(engine: Engine, source: Prompt | None = None, tokens: Sequence[int] = (1, 2)) -> list[Branch]:
    """Two branches that were superposed at their first token."""
    root = engine.prefill(source or prompt(*STORY, max_tokens=9))
    pair = engine.fork(root, 2)
    engine.drop([root])
    engine.extend(pair, tokens)
    superpose(engine.target, pair, WEIGHTS)
    return pair


def test_the_law_behind_a_superposition() -> None:
    engine = toy()
    for found in engine.likeliest(mixed(engine), 3):
        assert law_of(found) == pytest.approx(mean(WEIGHTS, (*STORY, 1), (*STORY, 2)), abs=1e-12)


def test_penalties_look_at_each_ones_own_tokens() -> None:
    engine = toy()
    pair = mixed(engine, prompt(*STORY, max_tokens=9, presence_penalty=2.0))
    for branch, found in zip(pair, engine.likeliest(pair, 3), strict=True):
        law = mean(WEIGHTS, (*STORY, 1), (*STORY, 2))
        mass = [p * math.exp(-2.0 * (token == branch.tokens[-1])) for token, p in enumerate(law)]
        assert law_of(found) == pytest.approx([m / sum(mass) for m in mass], abs=1e-12)


def test_both_read_one_row() -> None:
    engine = toy()
    pair = mixed(engine)
    engine.likeliest(pair, 1)
    account = pair[0].ledger.model("target")
    assert (account.tokens, account.passes, account.recomputed) == (3 + 1, 2, 0)
    for tokens in ((2, 2), (1, 2), (2, 1)):  # equal tokens are one token, and are read as one
        engine.extend(pair, tokens)
        superpose(engine.target, pair, WEIGHTS)
        engine.likeliest(pair, 1)
    assert (account.tokens, account.passes, account.recomputed) == (3 + 4, 5, 0)
    engine.drop(pair)
    assert is_empty(engine)


def test_a_weight_of_zero_reads_the_other_token() -> None:
    engine = toy()
    pair = mixed(engine)
    superpose(engine.target, pair, (0.0, 2.0))
    for found in engine.likeliest(pair, 3):
        assert law_of(found) == pytest.approx(mean([1.0], (*STORY, 2)), abs=1e-12)


@pytest.mark.parametrize("page_size", [1, 2, 3])
def test_pages_given_up_are_read_again_as_they_were(page_size: int) -> None:
    engine = toy(page_size)
    pair = mixed(engine)
    engine.extend(pair, (2, 1))
    want = [law_of(found) for found in engine.likeliest(pair, 3)]
    for branch in pair:
        engine.release(branch)
    assert [law_of(found) for found in engine.likeliest(pair, 3)] == want
    assert want[0] == pytest.approx(mean(WEIGHTS, (*STORY, 1, 2), (*STORY, 2, 2)), abs=1e-12)


def test_equal_texts_that_were_read_otherwise_do_not_share() -> None:
    engine = toy()
    pair = mixed(engine)
    engine.extend(pair, (1, 1))
    [plain] = engine.fork(engine.prefill(prompt(*STORY, max_tokens=9)), 1)
    for token in (1, 1):
        engine.extend([plain], [token])
    assert plain.tokens == pair[0].tokens
    found = engine.likeliest([pair[0], plain], 3)
    assert law_of(found[0]) == pytest.approx(mean(WEIGHTS, (*STORY, 1, 1), (*STORY, 2, 1)), abs=1e-12)
    assert law_of(found[1]) == pytest.approx(mean([1.0], (*STORY, 1, 1)), abs=1e-12)


def test_nothing_is_published() -> None:
    """A later prompt with the tokens of a superposed text finds none of its pages."""
    engine = toy(page_size=1)
    pair = mixed(engine)
    engine.extend(pair, (1, 1))
    engine.likeliest(pair, 1)
    engine.drop(pair)
    later = engine.prefill(prompt(*STORY, 1, 1, max_tokens=2))
    assert later.ledger.model("target").tokens == 5 - 3
    assert law_of(engine.likeliest([later], 3)[0]) == pytest.approx(mean([1.0], (*STORY, 1, 1)), abs=1e-12)


def test_forks_keep_it_and_truncation_forgets_it() -> None:
    engine = toy()
    pair = mixed(engine)
    [child] = engine.fork(pair[0], 1)
    assert not child.speculate
    assert law_of(engine.likeliest([child], 3)[0]) == pytest.approx(mean(WEIGHTS, (*STORY, 1), (*STORY, 2)), abs=1e-12)
    engine.truncate(child, 3)
    engine.extend([child], [1])
    assert law_of(engine.likeliest([child], 3)[0]) == pytest.approx(mean([1.0], (*STORY, 1)), abs=1e-12)
    assert law_of(engine.likeliest(pair, 3)[1]) == pytest.approx(mean(WEIGHTS, (*STORY, 1), (*STORY, 2)), abs=1e-12)


def test_rewards_and_questions_see_the_tokens() -> None:
    judge = ToyModel(3, salt=5)

    def search() -> Search[Selection]:
        pair = yield Fork(prompt(*STORY, max_tokens=9), 2)
        yield Extend(pair, [1, 2])
        yield Superpose(pair, WEIGHTS)
        yield Likeliest(pair, 1)
        asked = yield Ask(pair, "", ["a"])
        again = yield Likeliest(pair, 3)
        return chosen(pair, [{"asked": asked, "again": again}])

    engine = toy()
    pair = mixed(engine)
    engine.read(pair, engine.others["judge"])
    assert [engine.others["judge"].readings[b.id].values[-1] for b in pair] == [judge.value(b.tokens) for b in pair]
    session = run_alone(toy(), search())
    assert session.result is not None
    [row] = session.result.rounds
    want = [float(LAW((*STORY, token)).log_softmax(-1)[1]) for token in (1, 2)]
    assert [choice for [choice] in row["asked"]] == pytest.approx(want, abs=1e-12)
    assert law_of(row["again"][0]) == pytest.approx(mean(WEIGHTS, (*STORY, 1), (*STORY, 2)), abs=1e-12)


def test_an_ordinary_draw_goes_on_from_it_and_the_budget_holds() -> None:
    def search() -> Search[Selection]:
        pair = yield Fork(prompt(*STORY, max_tokens=9), 2)
        yield Extend(pair, [1, 2])
        yield Superpose(pair, WEIGHTS)
        yield Advance(pair, Tokens(3))
        yield Truncate(pair[0], 5)
        yield Advance(pair, Tokens(20))
        return chosen(pair)

    session = run_alone(toy(num_pages=12), search(), budget=Budget(tokens=9))
    assert session.ledger.generated_tokens <= 9
    assert session.result is not None and {e.branch.finish for e in session.result.ended} == {"budget"}


class Silent:
    """A guide that says nothing."""

    name, models = "any", ()

    def leads(self, branch: Branch) -> None:
        return None


def test_what_cannot_be_is_refused() -> None:
    engine = toy()
    pair, target = mixed(engine), engine.target
    for branches, weights in ((pair, (1.0,)), ([pair[0], pair[0]], WEIGHTS), ([], ())):
        with pytest.raises(BadInput, match="one weight for each branch"):
            superpose(target, branches, weights)
    for weights in ((0.0, 0.0), (1.0, -1.0), (1.0, float("nan"))):
        with pytest.raises(BadInput, match=r"superpose\.weights"):
            superpose(target, pair, weights)
    [fresh] = engine.fork(engine.prefill(prompt(1)), 1)
    with pytest.raises(BadInput, match="no token yet"):
        superpose(target, [fresh], [1.0])
    pair[0].guide = Silent()
    with pytest.raises(Incompatible, match="the guide 'any' with superposed decoding"):
        superpose(target, pair, WEIGHTS)
    pair[1].finish = "stop"
    with pytest.raises(BadInput, match="is done"):
        superpose(target, [pair[1]], [1.0])


def test_equal_tokens_are_one() -> None:
    assert mixture_of([5, 2, 5], [1.0, 2.0, 1.0]) == ((2, 0.5), (5, 0.5))
    assert mixture_of([5, 2], [3.0, 0.0]) == ((5, 1.0),)


@pytest.mark.parametrize("mode", ["reference", "exact", "fast"])
def test_behind_a_decoder_released_rows_come_back(mode: Mode) -> None:
    runner = DecoderRunner(tiny_checkpoint(), num_pages=32, page_size=4, mode=mode)
    engine = Engine(Model("target", runner, Ids()))
    pair = mixed(engine, prompt(3, 5, 7, 2, 9, max_tokens=30), (4, 11))
    for _ in range(6):
        found = engine.likeliest(pair, 17)
        assert found[0] == found[1]
        engine.extend(pair, [c.token for c in found[0][:2]])
        superpose(engine.target, pair, WEIGHTS)
    before = engine.likeliest(pair, 17)[0]
    assert pair[0].ledger.model("target").tokens == 5 + 7
    for branch in pair:
        engine.release(branch)
    after = engine.likeliest(pair, 17)[0]
    order = [c.token for c in before]
    assert [c.token for c in after] == order or mode != "exact"
    got = {c.token: c.logprob for c in after}
    want = {c.token: c.logprob for c in before}
    assert got == (want if mode == "exact" else pytest.approx(want, abs=1e-4))
