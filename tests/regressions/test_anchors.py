"""Every branch kept a whole step's hidden rows alive.

The hidden row of a branch's last token was a view of the step it was computed in: 64 branches of different prompts
kept 64 steps of 512 rows each, hundreds of megabytes on a model of some size.
"""

from tests.toys import prompt, toy


def test_an_anchor_is_a_row_for_each_branch_of_its_step() -> None:
    engine = toy(num_pages=200)
    branch = engine.prefill(prompt(*[1, 2] * 20))
    (anchor,) = engine.target.readings[branch.id].anchors.values()
    assert anchor.untyped_storage().nbytes() == anchor.nbytes
