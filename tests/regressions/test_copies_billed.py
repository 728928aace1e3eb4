"""Pages that one search copied were billed to another.

All copies of a step were counted in the ledger of the step's first branch, whoever's they were.
"""

from ramify.core.ledger import Ledger
from tests.engine.scripts import scripted_apart
from tests.toys import prompt, toy


def test_each_pays_for_its_own() -> None:
    scripts = {i: [1 + i % 2] * 5 for i in range(1, 9)}
    engine = toy(page_size=4, draw=scripted_apart(scripts))
    first, second = Ledger(), Ledger()
    a, b = engine.prefill(prompt(1, 2, 1), first), engine.prefill(prompt(2, 2, 2), second)
    children = engine.fork(a, 2) + engine.fork(b, 2)
    engine.drop([a, b])
    engine.advance(children, 2)
    assert (first.pages_copied, second.pages_copied) == (1, 1)
