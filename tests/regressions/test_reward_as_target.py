"""A reward model loaded as the target hung once a branch's pages had been given up.

Its folder has a value head, so the engine took a branch whose values were known for read, and never computed the row
to draw from again.
"""

from pathlib import Path

from ramify import api
from tests import folders


def test_it_goes_on(tmp_path: Path) -> None:
    with api.load(folders.write(tmp_path / "orm", head="Sequence"), kv_gib=0.01) as lm:
        handle = lm.prefill("the bee", seed=1, ignore_eos=True).advance(3)
        lm.engine.read([handle.branch])
        lm.engine.release(handle.branch)
        assert len(handle.advance(3).tokens) == 6
