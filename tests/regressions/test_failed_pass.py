"""A forward pass that failed left pages that held nothing, and the branch hung for ever.

Page tables were grown before the pass and stayed grown when it raised (out of memory, Ctrl-C). The branch seemed to
have been read, but there was no row to draw from: the engine waited for a row that nobody would compute.
"""

import pytest

from tests.toys import failing, prompt, toy


def test_the_branch_goes_on_as_if_nothing_had_happened() -> None:
    engine, alone = toy(), toy()
    branch, same = engine.prefill(prompt(1, 2, 1)), alone.prefill(prompt(1, 2, 1))
    with failing(engine, MemoryError(), after=1), pytest.raises(MemoryError):
        engine.advance([branch], 4)
    engine.check()
    engine.advance([branch], 4 - branch.num_generated)
    alone.advance([same], 4)
    assert branch.tokens == same.tokens
