"""Ctrl-C during a wide fork left branches alive that nobody knew of.

Children are made one by one; the driver heard of them when all were made. Interrupted in between, those made so far
stayed in the engine with their pages.
"""

import pytest

from ramify.core.types import Branch
from ramify.core.wants import Tokens
from ramify.engine.driver import Driver
from tests.toys import grown, is_empty, prompt, toy


def test_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = toy()
    clone, calls = engine.target.clone, [0]

    def interrupt(source: Branch, branch: Branch) -> None:
        calls[0] += 1
        if calls[0] == 30:
            raise KeyboardInterrupt
        clone(source, branch)

    monkeypatch.setattr(engine.target, "clone", interrupt)
    driver = Driver(engine)
    driver.submit(grown(prompt(1, 2), 50, Tokens(2)))
    with pytest.raises(KeyboardInterrupt):
        driver.run()
    assert is_empty(engine)
