"""Every registered method: the same again for a seed, balanced books, a ledger that adds up, complete candidates."""

from typing import Any

import pytest

from ramify.core.errors import BadInput
from ramify.core.registry import lookup, names
from ramify.core.types import Budget
from ramify.engine.session import Session
from tests.search.runs import drawn, run, selection
from tests.toys import is_empty, prompt, toy

every_method = pytest.mark.parametrize("name", names("method"))


STEP = {"step": "b", "max_step_tokens": 4}
SETTINGS: dict[str, dict[str, Any]] = {  # of those that `n` alone does not make several candidates of
    "greedy": {},
    "beam": {"n": 6, "width": 2, **STEP},
    "dvts": {"n": 6, "width": 2, **STEP},
    "token-beam-search": {"width": 3},
    "superposed": {"k": 3},
    "treebon": {"n": 6, "layers": 3, "children": 2, "layer_tokens": 2},
    "segment-rejection": {"n": 6, "batch": 2, "tokens": 3, "goal": 0.3, "beta": 0.1},
    "rain": {"simulations": 4, "width": 2, "tokens": 2, "visits": 2},
    "mcts": {"simulations": 4, "width": 2, "rollout": True, **STEP},
    "retrospective-resampling": {"n": 3, "threshold": -0.8, **STEP},
    "explore-execute": {"n": 6, "step": "b"},
    "adaptive-vote": {"n": 6, "batch": 6},
    "pairwise-rank": {"n": 6, "template": "{prompt}{first}b{second}", "question": "a", "choices": ("a", "b")},
    "consensus-game": {"n": 6, "steps": 20},
    "particle-filter": {"n": 6, "granularity": "token", "ess_threshold": 0.9},
    "particle-gibbs": {"n": 3, "sweeps": 3, "granularity": "token", "ess_threshold": 0.9},
    "qalign": {"steps": 5, "chains": 2},
    "power-sampling": {"steps": 3, "chains": 2, "block": 4},
    "think-sum": {"choices": ("a", "b"), "facts": ("ab",)},
    "choice-funnel": {"options": ("a", "b"), "confident": 0.0},
}
GIVEN = ("think-sum", "choice-funnel")  # their candidates are texts of the caller's: nothing is drawn, nothing ends
OWN_PROMPTS = ("cross-view-vote", "pairwise-rank", "consensus-game", *GIVEN)  # they read other texts than the prompt
DRAWLESS = ("greedy", "token-beam-search", "superposed", *GIVEN)  # the seed does not matter
N_COUNTS = ("greedy", "explore-execute", "adaptive-vote", "pairwise-rank", "consensus-game", "particle-filter")
BRANCHING = tuple(name for name in SETTINGS if name not in N_COUNTS)  # n does not count candidates


def many(name: str) -> dict[str, Any]:
    """Options that make several candidates, where a method has any."""
    return SETTINGS.get(name, {"n": 6})


def summary(session: Session) -> object:
    chosen = selection(session)
    ended = [(e.branch.tokens, e.score, e.answer, e.stopped_because) for e in chosen.ended]
    ledger = session.ledger.row()
    del ledger["seconds"]
    return ended, chosen.ended.index(chosen.best), chosen.rounds, ledger


@every_method
@pytest.mark.parametrize("seed", range(4))
def test_the_same_again(name: str, seed: int) -> None:
    assert summary(run(name, seed=seed, **many(name))) == summary(run(name, seed=seed, **many(name)))


@every_method
def test_another_seed_is_another_text(name: str) -> None:
    several = {str(drawn(run(name, seed=seed, **many(name)))) for seed in range(6)}
    assert len(several) == 1 if name in DRAWLESS else len(several) > 4  # first steps are short: two seeds may agree


@every_method
@pytest.mark.parametrize("page_size", [1, 2, 3, 8])
def test_the_books_balance_and_end_empty(name: str, page_size: int) -> None:
    engine = toy(page_size, num_pages=400)
    run(name, engine=engine, **many(name))
    assert is_empty(engine)


@every_method
@pytest.mark.parametrize("page_size", [1, 3])
def test_pages_and_steps_make_no_difference(name: str, page_size: int) -> None:
    """Where the method does not look at pages."""
    if lookup("method", name).uses_room:
        return
    want = drawn(run(name, **many(name)))
    assert drawn(run(name, engine=toy(page_size, num_pages=400, row_budget=5), **many(name))) == want


@every_method
@pytest.mark.parametrize("seed", range(4))
def test_the_ledger_matches_the_branches(name: str, seed: int) -> None:
    session = run(name, seed=seed, **many(name))
    ledger, nodes = session.ledger, list(session.tree.values())
    own = [n.branch.num_generated - (n.branch.forked_at - n.branch.num_prompt) for n in nodes]  # since the fork
    assert ledger.generated_tokens == (0 if name in GIVEN else sum(own))
    assert ledger.forks == len(nodes)
    assert ledger.prompt_tokens == 5 or (name in OWN_PROMPTS and ledger.prompt_tokens > 5)
    target = ledger.model("target")
    assert target.recomputed == 0
    if name not in OWN_PROMPTS:  # they ask, and questions are no prompts
        assert target.tokens <= ledger.prompt_tokens + ledger.generated_tokens
    if "judge" in ledger.models:
        assert ledger.model("judge").tokens <= ledger.prompt_tokens + ledger.generated_tokens
    assert (name in GIVEN or ledger.peak_kv_bytes > 0) and ledger.peak_kv_bytes <= ledger.peak_unshared_kv_bytes
    assert ledger.seconds > 0


@every_method
@pytest.mark.parametrize("tokens", [1, 7, 30])
def test_a_token_budget_is_kept(name: str, tokens: int) -> None:
    session = run(name, budget=Budget(tokens=tokens, pages=40), **many(name))
    assert session.ledger.generated_tokens <= tokens
    assert selection(session).best in selection(session).ended


@every_method
def test_candidates_say_why_they_ended(name: str) -> None:
    chosen = selection(run(name, **many(name)))
    assert any(chosen.best is e for e in chosen.ended)
    if name not in BRANCHING:
        assert len(chosen.ended) == many(name).get("n", 1)
    for ended in chosen.ended:
        assert ended.stopped_because in (("unfinished",) if name in GIVEN else ("stop", "length", "rejected"))
        assert (ended.stopped_because in ("rejected", "unfinished")) == (not ended.branch.done)
        assert ended.branch.num_generated > 0
    if lookup("method", name).uses_reward:
        assert all(e.score is not None for e in chosen.ended)


@every_method
def test_a_prompt_of_one_token_and_a_text_of_one_token(name: str) -> None:
    for source in (prompt(1, max_tokens=1), prompt(max_tokens=3), prompt(2, max_tokens=1, temperature=0.0)):
        session = run(name, source=source, **many(name))
        assert all(0 < len(tokens) <= 3 for tokens in drawn(session))


@every_method
def test_the_end_of_the_context(name: str) -> None:
    engine = toy(num_pages=400, max_positions=12)
    if name in OWN_PROMPTS:
        long = {"premise": "{prompt}" * 9 + "{choice}"} if name == "think-sum" else {}
        with pytest.raises(BadInput, match="12"):  # what they would ask about is longer than that
            run(name, source=prompt(1, 2, 1), engine=engine, **many(name) | long)
        return
    session = run(name, source=prompt(1, 2, 1), engine=engine, **many(name))
    assert {len(e.branch.tokens) for e in selection(session).ended if e.stopped_because == "length"} == {12}
