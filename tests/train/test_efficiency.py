"""The walk along a text counts what speculative sampling does, to the last digit."""

from itertools import product

import pytest
import torch
from torch import Tensor

from ramify.train.efficiency import along, walk

DOUBLE = torch.float64


def test_values_along_a_chain() -> None:
    values = along(torch.tensor([0.1, 0.2, 0.3]), 2, -1.0)
    torch.testing.assert_close(values, torch.tensor([[0.1, 0.2], [0.2, 0.3], [0.3, -1.0]]))
    assert along(torch.tensor([0.5]), 3, 0.0).tolist() == [[0.5, 0.0, 0.0]]
    assert along(torch.zeros(0), 3, 0.0).shape == (0, 3)


def test_everything_accepted_is_a_whole_chain_and_one_more() -> None:
    seen = walk([along(torch.ones(12), 3, 0.0)])
    assert seen.mean == 4.0
    assert seen.acceptance == [1.0, 1.0, 1.0]


def test_nothing_accepted_is_one_token_a_pass() -> None:
    seen = walk([along(torch.zeros(5), 3, 0.0), along(torch.zeros(2), 3, 0.0)])
    assert (seen.mean, seen.error) == (1.0, 0.0)
    assert seen.acceptance == [0.0, 0.0, 0.0]


def test_two_tokens_by_hand() -> None:
    """Chain of one: the first pass writes both tokens where it is accepted (1/4), else a second pass follows."""
    seen = walk([along(torch.tensor([0.25, 0.5]), 1, 0.0)])
    assert seen.passes_B.tolist() == [1.75]
    assert seen.mean == pytest.approx(2 / 1.75)
    assert seen.reached_K.tolist() == [1.75]
    assert seen.accepted_K.tolist() == [0.25 + 0.75 * 0.5]


def test_error_is_that_of_a_ratio_and_a_gain_is_paired() -> None:
    quick, slow = along(torch.ones(6), 2, 0.0), along(torch.zeros(6), 2, 0.0)
    mixed, none = walk([quick, slow]), walk([slow, slow])
    assert mixed.mean == 12 / 8
    assert mixed.error == pytest.approx((((6 - 1.5 * 2) / 4) ** 2 + ((6 - 1.5 * 6) / 4) ** 2) ** 0.5 / 2**0.5)
    assert mixed.gain_over(none) == (pytest.approx(0.5), pytest.approx(mixed.error))
    assert mixed.gain_over(mixed) == (0.0, 0.0)
    assert walk([quick]).error == float("inf")


LENGTH, DEPTH, VOCABULARY = 5, 2, 3


def laws() -> tuple[Tensor, Tensor]:
    """Two Markov chains that disagree: p[last], q[last] are laws of the next token."""
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.rand(VOCABULARY, VOCABULARY, generator=generator, dtype=DOUBLE) for _ in range(2))
    return p / p.sum(-1, keepdim=True), q / q.sum(-1, keepdim=True)


def passes_left(place: int, last: int, drafted: int, p: Tensor, q: Tensor) -> float:
    """Expected passes that begin from here on, by following speculative sampling draw by draw.

    `drafted` tokens of the running chain were accepted; a pass was counted when its chain began.
    """
    if place >= LENGTH:
        return 0.0
    if drafted == DEPTH:  # the target's own token ends the pass
        return sum(float(p[last, x]) * begin(place + 1, x, p, q) for x in range(VOCABULARY))
    both = torch.minimum(p[last], q[last])
    accepted = sum(float(both[x]) * passes_left(place + 1, x, drafted + 1, p, q) for x in range(VOCABULARY))
    rest = p[last] - both
    return accepted + sum(float(rest[x]) * begin(place + 1, x, p, q) for x in range(VOCABULARY))


def begin(place: int, last: int, p: Tensor, q: Tensor) -> float:
    return 0.0 if place >= LENGTH else 1.0 + passes_left(place, last, 0, p, q)


def test_expected_passes_are_those_of_speculative_sampling() -> None:
    """Averaged over the target's texts, the walk equals the process it stands for, enumerated."""
    p, q = laws()
    expected = 0.0
    for text in product(range(VOCABULARY), repeat=LENGTH):
        pairs = list(zip((0, *text), text, strict=False))
        chance = float(torch.stack([p[last, x] for last, x in pairs]).prod())
        beta = torch.stack([(q[last, x] / p[last, x]).clamp(max=1.0) for last, x in pairs])
        expected += chance * float(walk([along(beta, DEPTH, 0.0)]).passes_B)
    assert expected == pytest.approx(begin(0, 0, p, q), rel=1e-12)
