"""Every law of the engine on every engine."""

from collections.abc import Callable

import pytest

from ramify.verify.lab import Lab
from ramify.verify.laws import LAWS
from tests.laws.labs import LABS, every_lab


@every_lab
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_law(lab: Lab, law: Callable[[Lab], float]) -> None:
    """Not at all off where arithmetic is exact, within the lab's tolerance elsewhere; rows never couple anywhere."""
    bound = 0.0 if law is LAWS["rows never couple"] else lab.tolerance
    assert law(lab) <= bound


@pytest.mark.parametrize("name", [name for name in LABS if "toy" in name or name == "tiny, exact"])
def test_exact_arithmetic_has_no_tolerance(name: str) -> None:
    assert LABS[name]().tolerance == 0.0


def test_every_law_of_the_style_is_there() -> None:
    numbered = [law.__doc__ or "" for law in LAWS.values()]
    assert [doc[:2] for doc in numbered[:6]] == ["1.", "2.", "3.", "4.", "5.", "6."]
