"""Pages counted as free could not be freed, and growing took a page from an empty list.

Pages that only the prefix tree holds are as good as free: they are given up when pages run short. But a branch that
had read its own copy of a published prompt (it wanted the prompt's log-probabilities) published the pages behind
that prompt as children of the tree's pages, which it did not hold. Its children kept the tree's idle pages from
being given up, so that `room` promised pages that `grow` could not get (IndexError, and a table half grown).
"""

from tests.toys import prompt, toy


def test_what_is_counted_as_free_can_be_had() -> None:
    engine = toy(num_pages=8)
    engine.drop([engine.prefill(prompt(1, 2, 1, 2))])
    branch = engine.prefill(prompt(1, 2, 1, 2, 1, 1, prompt_logprobs=0))
    engine.advance([branch], engine.room([branch]))
    engine.check()
    assert len(branch.tokens) == 17  # eight pages of two, and a last token that is not stored
