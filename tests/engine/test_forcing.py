"""Tokens that a search chooses: the likeliest behind a branch, and putting one there."""

import math

import pytest

from ramify.core.errors import BadInput
from ramify.core.types import Branch, Budget, Continuation, Prompt, Selection
from ramify.core.wants import Advance, Extend, Fork, Likeliest, Search, Tokens
from ramify.engine.driver import run_alone
from ramify.maths.law import final_law
from ramify.toy.model import ToyModel
from tests.toys import chosen, prompt, toy


def likeliest_of(source: Prompt, k: int) -> Search[Selection]:
    live = yield Fork(source, 1)
    yield Advance(live, Tokens(2))
    found = yield Likeliest(live, k)
    return chosen(live, [{"found": found[0]}])


def found_by(source: Prompt, k: int) -> tuple[Branch, list[Continuation]]:
    session = run_alone(toy(), likeliest_of(source, k))
    assert session.result is not None
    return session.result.best.branch, session.result.rounds[0]["found"]


@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, {"logit_bias": {2: 3.0}}, {"repetition_penalty": 2.0}])
def test_they_are_the_law_that_a_draw_comes_from(options: dict[str, object]) -> None:
    source = prompt(1, 2, 1, max_tokens=9, **options)  # type: ignore[arg-type]
    branch, found = found_by(source, 3)
    row = ToyModel().logits(branch.tokens)[None]
    want = final_law(row, branch.rule, [source.tokens], [branch.generated]).dense(3)[0].log().tolist()
    assert {c.token: c.logprob for c in found} == pytest.approx(dict(enumerate(want)), abs=1e-12)
    assert [c.logprob for c in found] == sorted(want, reverse=True)
    assert found_by(source, 2)[1] == found[:2]


def test_what_cannot_be_drawn_is_not_among_them() -> None:
    assert len(found_by(prompt(1, 2, 1, max_tokens=9, top_k=2), 3)[1]) == 2
    assert found_by(prompt(1, 2, 1, max_tokens=9, temperature=0.0), 3)[1][0].logprob == 0.0


def test_which_of_them_would_end_the_branch() -> None:
    """The end token does, and every token where the text may be no longer; a stop text does where it is completed."""
    assert {c.token for c in found_by(prompt(1, ignore_eos=False, seed=1, max_tokens=9), 3)[1] if c.ends} <= {0}
    assert all(c.ends for c in found_by(prompt(1, max_tokens=3), 3)[1])
    assert {c.token for c in found_by(prompt(1, max_tokens=9, stop=("a",), logit_bias={1: -9.0}), 3)[1] if c.ends} == {
        1
    }


def forced(source: Prompt, n: int = 2, length: int = 3) -> Search[Selection]:
    live = yield Fork(source, n)
    for _ in range(length):
        yield Extend([b for b in live if not b.done], [1 + i for i, b in enumerate(live) if not b.done])
    return chosen(live)


def test_chosen_tokens_count_as_drawn_and_are_read_once() -> None:
    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, max_tokens=9), 2)
        for token in (1, 2, 1):
            best = yield Likeliest(live, 1)
            assert len(best) == 2
            yield Extend(live, [token, token])
        yield Advance(live, Tokens(1))
        return chosen(live)

    session = run_alone(toy(), search())
    target = session.ledger.model("target")
    assert (session.ledger.generated_tokens, session.ledger.draws) == (8, 8)
    assert (target.tokens, target.recomputed) == (2 + 3, 0)  # the prompt, and three tokens that both have


def test_log_probabilities_are_the_true_ones() -> None:
    session = run_alone(toy(), forced(prompt(2, 1, max_tokens=4).with_logprobs("raw")))
    assert session.result is not None
    for ended in session.result.ended:
        tokens = ended.branch.tokens
        want = [float(ToyModel().logits(tokens[:at]).log_softmax(-1)[tokens[at]]) for at in range(2, 5)]
        assert [each.logprob for each in ended.branch.logprobs] == pytest.approx(want)
        assert math.isfinite(sum(want))


def test_the_budget_is_kept() -> None:
    session = run_alone(toy(), forced(prompt(1, 2, max_tokens=9)), budget=Budget(tokens=5))
    assert session.result is not None
    assert session.ledger.generated_tokens == 4
    assert {e.branch.finish for e in session.result.ended} == {"budget"}


@pytest.mark.parametrize(
    ("want", "said"),
    [
        (lambda b: Extend([b, b], [1, 1]), "each branch once"),
        (lambda b: Extend([b], [1, 2]), "one token for each branch"),
        (lambda b: Extend([b], [3]), "token 3 is not in the vocabulary of 3"),
        (lambda b: Extend([b], [-1]), "token -1"),
        (lambda b: Likeliest([b], 0), "likeliest.k"),
    ],
)
def test_bad_wants_are_refused(want: object, said: str) -> None:
    def search() -> Search[Selection]:
        live = yield Fork(prompt(1, 2, max_tokens=9), 1)
        yield want(live[0])  # type: ignore[operator]
        return chosen(live)

    with pytest.raises(BadInput, match=said):
        run_alone(toy(), search())


def test_nothing_stands_behind_what_is_done() -> None:
    def search(want: type) -> Search[Selection]:
        live = yield Fork(prompt(1, 2, max_tokens=1), 1)
        yield Advance(live, Tokens(1))
        yield want(live, [1]) if want is Extend else want(live, 1)
        return chosen(live)

    for want in (Extend, Likeliest):
        with pytest.raises(BadInput, match="is done"):
            run_alone(toy(), search(want))
