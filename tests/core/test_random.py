"""Addressed randomness: distinct addresses, uniform numbers, independent of everything but the address."""

import math
from itertools import product

import pytest

from ramify.core.random import Purpose, child_address, root_address, uniform

PURPOSES: tuple[Purpose, ...] = ("token", "accept", "residual", "draft", "toss")
FALSE_ALARM = 1e-6  # of each statistical test here, which draws the same numbers every time


def test_addresses_are_distinct() -> None:
    """A million of them: a clash among 64-bit numbers would have probability 3e-8."""
    roots = [root_address(seed, request) for seed, request in product(range(-500, 500), range(100))]
    children = [child_address(parent, index) for parent, index in product(roots[:1000], range(900))]
    assert len({*roots, *children}) == len(roots) + len(children)


def test_a_child_is_not_its_parent_nor_its_cousin() -> None:
    root = root_address(0)
    family = {root, child_address(root, 0), child_address(root, 1), child_address(child_address(root, 0), 0)}
    assert len(family) == 4


def test_all_64_bits_of_a_seed_count() -> None:
    seeds = (0, 1, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 2, -3)
    assert len({root_address(seed) for seed in seeds}) == len(seeds)


def test_numbers_are_in_the_half_open_interval() -> None:
    numbers = [uniform(address, position) for address, position in product(range(300), range(30))]
    assert min(numbers) >= 0.0
    assert max(numbers) < 1.0
    assert len(set(numbers)) == len(numbers)


def test_purposes_are_independent_streams() -> None:
    assert len({uniform(7, 3, purpose) for purpose in PURPOSES}) == len(PURPOSES)


def test_a_number_depends_on_nothing_else() -> None:
    first = uniform(1, 2)
    [uniform(a, 5) for a in range(100)]
    assert uniform(1, 2) == first == uniform(1, 2, "token")


@pytest.mark.parametrize("axis", ["address", "position", "seed", "child"])
def test_uniform_along_every_axis(axis: str) -> None:
    """Kolmogorov-Smirnov with n = 20,000: D * sqrt(n) exceeds sqrt(ln(2 / p) / 2) with probability p at most."""
    root, n = root_address(1), 20_000
    draw = {
        "address": lambda i: uniform(i, 0),
        "position": lambda i: uniform(root, i),
        "seed": lambda i: uniform(root_address(i), 4),
        "child": lambda i: uniform(child_address(root, i), 4),
    }[axis]
    numbers = sorted(draw(i) for i in range(n))
    distance = max(max((i + 1) / n - u, u - i / n) for i, u in enumerate(numbers))
    assert distance * math.sqrt(n) < math.sqrt(math.log(2 / FALSE_ALARM) / 2)


def test_neighbours_do_not_correlate() -> None:
    """Parent and child, position and position, seed and seed: correlation of n pairs is about N(0, 1 / n)."""
    n = 20_000
    pairs = {
        "positions": [(uniform(5, i), uniform(5, i + 1)) for i in range(n)],
        "family": [(uniform(i, 3), uniform(child_address(i, 0), 3)) for i in range(n)],
        "seeds": [(uniform(root_address(i), 3), uniform(root_address(i + 1), 3)) for i in range(n)],
        "purposes": [(uniform(i, 3), uniform(i, 3, "accept")) for i in range(n)],
    }
    limit = math.sqrt(2 * math.log(2 / FALSE_ALARM) / n)  # a Gaussian's tail bound
    for name, both in pairs.items():
        covariance = sum((a - 0.5) * (b - 0.5) for a, b in both) / n
        assert abs(covariance * 12) < limit, name
