"""Prompts of different salts share nothing; those of one salt, and the forks of one run, share what they did before."""

from dataclasses import replace

import pytest

from ramify.core.registry import lookup
from ramify.core.types import Prompt, Selection
from ramify.core.wants import Advance, Ask, Fork, Search, Tokens
from ramify.engine.driver import Driver, run_alone
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.speculate.drafters.model import ModelDrafter
from ramify.speculate.plan import Always, chain
from ramify.speculate.speculation import Speculation
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.engine.scripts import engine_of, scripted
from tests.toys import JUDGE, Ids, chosen, grown, is_empty, prompt, toy

LONG = tuple(1 + (i * i // 3) % 2 for i in range(24))
ROLES = ("target", "judge", "draft")


def salted(salt: str, seed: int = 0) -> Prompt:
    return replace(prompt(*LONG, seed=seed, max_tokens=8), salt=salt)


def drafting() -> Engine:
    """With a judge and a draft model: three models that read the prompt."""
    made = toy(num_pages=400)
    draft = toy_model("draft", ToyModel(salt=4), num_pages=400, page_size=2)
    made.speculator = Speculation(ModelDrafter(draft), lookup("verifier", "coupled"), Always(chain(2)), 3)
    return made


def read(session_of: Engine, *salts: str) -> list[dict[str, int]]:
    """The rows that each model read for searches of these salts, one after another."""
    rows = []
    for seed, salt in enumerate(salts):
        session = run_alone(session_of, grown(salted(salt, seed), 2, Tokens(4), score=True), reward=JUDGE)
        rows.append({role: session.ledger.model(role).tokens for role in ROLES})
        session_of.check()
    return rows


def test_every_model_reads_a_prompt_of_another_salt_anew() -> None:
    first, again, other, other_again, none = read(drafting(), "x", "x", "y", "y", "")
    for role in ROLES:
        assert first[role] >= len(LONG) and other[role] >= len(LONG) and none[role] >= len(LONG)
        assert again[role] < len(LONG) and other_again[role] < len(LONG)  # their last page is read again at most


def test_searches_of_two_salts_side_by_side_read_the_prompt_twice() -> None:
    for salts, readers in ((("x", "x"), 1), (("x", "y"), 2)):
        made = toy(num_pages=400)
        driver = Driver(made)
        sessions = [driver.submit(grown(salted(salt, i), 2, Tokens(3))) for i, salt in enumerate(salts)]
        driver.run()
        total = sum(session.ledger.model("target").tokens for session in sessions)
        assert readers * len(LONG) <= total < readers * len(LONG) + 20
        assert is_empty(made)


@pytest.mark.parametrize("salt", ["x", "y"])
def test_a_prompt_on_its_way_is_waited_for_by_its_own_salt_only(salt: str) -> None:
    made = toy(num_pages=400, row_budget=5)
    driver = Driver(made)
    first = driver.submit(grown(salted("x"), 1, Tokens(3)))
    driver.step()
    second = driver.submit(grown(salted(salt, 1), 1, Tokens(3)))
    driver.run()
    total = sum(session.ledger.model("target").tokens for session in (first, second))
    assert (total >= 2 * len(LONG)) == (salt == "y")


def test_what_a_guide_compares_with_has_the_salt_of_its_branch() -> None:
    guide, rows = lookup("guide", "classifier-free").make(negative="ab" * 8), list[int]()
    made = toy(num_pages=400)
    for salt in ("x", "x", "y"):
        source = replace(salted(salt), guide=guide)
        rows.append(run_alone(made, grown(source, 1, Tokens(2))).ledger.model("target").tokens)
    assert rows[1] < rows[0] - 16 - len(LONG) // 2 and rows[2] == rows[0]


def test_forks_questions_and_a_second_fork_of_a_prompt_share_what_the_run_has_read() -> None:
    def search(salt: str) -> Search[Selection]:
        live = yield Fork(salted(salt), 2)
        yield Advance(live, Tokens(2))
        live += yield Fork(salted(salt), 2)
        live += yield Fork(live[0], 1)
        yield Ask(live[:2], "ab", ("a", "b"))
        yield Advance(live, Tokens(2))
        return chosen(live)

    ledgers = [run_alone(toy(num_pages=400), search(salt)).ledger for salt in ("", "x")]
    assert ledgers[0].model("target") == ledgers[1].model("target")
    assert ledgers[0].prompt_tokens == ledgers[1].prompt_tokens == len(LONG)


def test_one_run_with_prompts_of_two_salts_pays_for_both() -> None:
    def search() -> Search[Selection]:
        live = [*(yield Fork(salted("x"), 1)), *(yield Fork(salted("y"), 1))]
        yield Advance(live, Tokens(2))
        return chosen(live)

    ledger = run_alone(toy(num_pages=400), search()).ledger
    assert ledger.prompt_tokens == 2 * len(LONG) <= ledger.model("target").tokens


def test_pages_of_every_salt_are_given_up_when_they_are_short() -> None:
    made = toy(num_pages=40)
    for i in range(9):
        run_alone(made, grown(salted(f"key {i}", i), 1, Tokens(6)))
        assert is_empty(made)
    assert made.target.book.tree.evict(1000) > 0
    assert made.target.book.pool.num_free == 40


def test_the_salt_changes_no_token() -> None:
    texts = {tuple(run_alone(toy(), grown(salted(salt), 1, Tokens(8))).tree[2].branch.generated) for salt in "xy"}
    assert len(texts) == 1


@pytest.mark.parametrize("salt", ["", "x"])
def test_a_salt_that_looks_like_tokens(salt: str) -> None:
    made = engine_of(Ids(), scripted(*range(3, 9)), size=16)
    assert isinstance(made.target, Model)
    for _ in range(2):
        run_alone(made, grown(replace(prompt(5, 1, 2, 5, 1, 2), salt=salt or "5"), 1, Tokens(2)))
        assert is_empty(made)
