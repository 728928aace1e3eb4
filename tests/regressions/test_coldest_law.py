"""A very small temperature made a law of NaN.

Logits were divided by the temperature as they were: 80 / 1e-38 is infinite in float32, and a softmax over
infinities is NaN. Differences to the largest logit are divided now, and a temperature that float32 rounds to 0 is
the smallest that it does not.
"""

import pytest
import torch

from ramify.core.sampling import Rule
from ramify.maths.law import final_law


@pytest.mark.parametrize("temperature", [1e-6, 1e-38, 5e-324])
def test_it_is_greedy(temperature: float) -> None:
    law = final_law(torch.tensor([[1.0, 80.0, 3.0]]), Rule(temperature=temperature), [()], [()])
    assert law.mass_RK.tolist() == [[0.0, 1.0, 0.0]]
