"""Labs are made when they are wanted."""

import pytest

from ramify.verify.lab import Lab


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Lab:
    """The lab behind its maker."""
    return request.param()  # type: ignore[no-any-return]
