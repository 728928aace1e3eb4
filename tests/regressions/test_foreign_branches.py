"""A branch of one engine, given to another, was taken for that one's branch of the same number.

Branches are numbered from 1 in every engine, and only the number was looked at: dropping a handle of one model
dropped another model's.
"""

import pytest

from ramify.core.errors import BadInput
from tests.toys import prompt, toy


def test_it_is_refused() -> None:
    here, there = toy(), toy()
    mine, other = here.prefill(prompt(1, 2)), there.prefill(prompt(2, 1))
    with pytest.raises(BadInput, match="another engine"):
        here.advance([other])
    here.drop([other])
    assert mine.alive
    assert here.branches
    assert not other.num_generated
