"""Chains of arithmetic: as many steps as asked, inside their bounds."""

from random import Random

import pytest

from ramify.tasks.chain import draw_chain


@pytest.mark.parametrize("num_steps", [1, 2, 4, 6])
@pytest.mark.parametrize("ceiling", [20, 100, 999])
def test_length_and_bounds(num_steps: int, ceiling: int) -> None:
    for seed in range(100):
        chain = draw_chain(Random(seed), num_steps, ceiling)
        assert len(chain.steps()) == num_steps
        assert all(2 <= value <= ceiling for value in chain.values())
        assert all(2 <= int(step.result) <= ceiling for step in chain.steps())


@pytest.mark.parametrize(("num_steps", "ceiling"), [(0, 100), (3, 19)])
def test_refused_at_the_door(num_steps: int, ceiling: int) -> None:
    with pytest.raises(ValueError, match="num_steps >= 1 and ceiling >= 20"):
        draw_chain(Random(0), num_steps, ceiling)
