"""What a rule may rely on: a tree that could have come from the laws it gives."""

from typing import Any

import numpy as np
import pytest

from ramify.core.errors import DraftError
from ramify.speculate.tree import TokenTree, audited

EVEN = np.full(4, 0.25)
GOOD: dict[str, Any] = {"tokens": (1, 2, 1), "parents": (-1, -1, 0), "laws": {-1: EVEN, 0: EVEN}, "how": "distinct"}


def test_a_good_tree_is_itself() -> None:
    tree = TokenTree(**GOOD)
    assert audited(tree, 4) is tree
    assert tree.children(-1) == [0, 1] and tree.children(0) == [2] and tree.children(2) == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"parents": (-1, -1)}, "3 tokens with 2 parents"),
        ({"parents": (-1, 1, 0)}, "node 1 follows node 1"),
        ({"parents": (-1, -2, 0)}, "node 1 follows node -2"),
        ({"tokens": (1, 2, 4)}, "node 2 is token 4; the vocabulary has 4"),
        ({"laws": {-1: EVEN}}, "children of node 0 need the law"),
        ({"laws": {-1: EVEN, 0: np.full(5, 0.2)}}, "children of node 0 need the law .* of 4 masses"),
        ({"laws": {-1: EVEN, 0: EVEN * 1.01}}, "sums to 1.01"),
        ({"laws": {-1: EVEN, 0: np.array([np.nan, 1, 0, 0])}}, "sums to nan"),
        ({"laws": {-1: EVEN, 0: np.array([-0.5, 0.5, 0.5, 0.5])}}, "is none"),
        ({"laws": {-1: EVEN, 0: np.array([0.5, 0.0, 0.5, 0.0])}}, "token 1 after node 0 has no mass"),
        ({"tokens": (2, 2, 1)}, "drawn without replacement, and two are equal"),
    ],
    ids=lambda x: str(x)[:30] if isinstance(x, str) else "",
)
def test_what_no_rule_can_rely_on(change: dict[str, Any], match: str) -> None:
    with pytest.raises(DraftError, match=match):
        audited(TokenTree(**(GOOD | change)), 4)


def test_what_was_given_needs_no_law() -> None:
    audited(TokenTree((2, 2), (-1, -1), {}, "given"), 4)
