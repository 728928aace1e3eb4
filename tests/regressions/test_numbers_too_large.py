"""A whole number too large for a float raised OverflowError instead of a clear refusal.

`math.isfinite(10**400)` raises: a temperature of 10**400 was no BadInput, and a reward that returned it ended every
search.
"""

import pytest

from ramify.core.errors import BadInput, RewardError
from ramify.core.sampling import Sampling
from ramify.reward.checker import Checker
from tests.toys import prompt, toy


def test_as_a_parameter() -> None:
    with pytest.raises(BadInput, match="temperature"):
        Sampling(temperature=10**400)


def test_as_a_reward() -> None:
    engine = toy()
    with pytest.raises(RewardError, match="a finite number is expected"):
        engine.score([engine.prefill(prompt(1, 2))], Checker(lambda prompt, text: 10**400))
