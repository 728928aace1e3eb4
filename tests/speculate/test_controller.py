"""The controller in a world whose costs and chances are known: it finds what pays, and leaves what does not."""

from random import Random
from types import SimpleNamespace

import pytest

from ramify.speculate.controller import LONGEST, Acceptance, Controller
from ramify.speculate.costs import Curve, StepCost, size_class
from ramify.speculate.plan import Always, chain
from ramify.speculate.shapes import Independent


class World:
    """Steps of n branches: `row` seconds a row beyond `base`, `draft` a drafted token, `chance` for each to pass."""

    def __init__(self, n, *, base, row, draft, chance, noise=0.0, rows=512):
        self.n, self.base, self.row, self.draft, self.chance, self.noise, self.rows = (
            n,
            base,
            row,
            draft,
            chance,
            noise,
            rows,
        )
        self.random, self.plan = Random(1), Controller()
        self.branches = [SimpleNamespace(id=i) for i in range(n)]
        self.seconds = self.tokens = 0.0
        self.lengths = []

    def step(self):
        shapes = self.plan.shapes(self.branches, dict.fromkeys(range(self.n), 64), self.rows)
        lengths = [shape.depth if shape else 0 for shape in shapes] or [0] * self.n
        drafting = self.draft * sum(lengths) * self._jitter()
        if any(lengths):
            trees = {i: SimpleNamespace(tokens=(0,) * k) for i, k in enumerate(lengths) if k}
            self.plan.drafted(sum(k > 0 for k in lengths), 0.0, drafting, trees)
        for branch, length in zip(self.branches, lengths, strict=True):
            passed = next((d for d in range(length) if self.random.random() >= self.chance(branch.id, d)), length)
            if length:
                self.plan.learn(branch, passed, min(length, passed + 1))
            self.tokens += 1 + passed
        taken = (self.base + self.row * (self.n + sum(lengths))) * self._jitter() + drafting
        self.seconds += taken
        self.plan.took(self.n, self.n + sum(lengths), taken)
        self.lengths.append(sum(lengths) / self.n)

    def run(self, steps):
        for _ in range(steps):
            self.step()
        return self

    def plain_rate(self):
        return self.n / (self.base + self.row * self.n)

    def _jitter(self):
        return 1 + self.noise * self.random.random() * (10 if self.random.random() < 0.05 else 1)


def always(p):
    return lambda branch, depth: p


@pytest.mark.parametrize("n", [1, 8, 32])
def test_a_good_draft_is_used_at_the_length_that_pays_best(n):
    world = World(n, base=1.0, row=0.02, draft=0.02, chance=always(0.8)).run(400)

    def rate(length):
        expected = sum(0.8**k for k in range(length + 1))
        return n * expected / (1.0 + 0.02 * n * (1 + length) + 0.02 * n * length)

    best = max(rate(length) for length in range(LONGEST + 1))
    typical = sorted(world.lengths[-100:])[50]
    assert rate(round(typical)) >= 0.93 * best
    assert world.tokens / world.seconds >= 1.1 * world.plain_rate() or best < 1.25 * world.plain_rate()


@pytest.mark.parametrize("n", [1, 8, 32])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_useless_draft_costs_almost_nothing(n, noise):
    world = World(n, base=1.0, row=0.05, draft=0.05, chance=always(0.03), noise=noise).run(4000)
    assert sum(length > 0 for length in world.lengths) < 80
    extra = sum(world.lengths) * n * 0.1
    assert extra / world.seconds < 0.02


def test_what_lost_is_tried_again_and_taken_up_when_it_pays():
    world = World(4, base=1.0, row=0.01, draft=0.01, chance=always(0.0)).run(300)
    assert world.lengths[-1] == 0 or sum(world.lengths[-100:]) < 40
    world.chance = always(0.95)
    world.run(2500)
    assert sorted(world.lengths[-50:])[25] >= 4


def test_a_branch_whose_drafts_fare_badly_gets_fewer_tokens():
    world = World(2, base=1.0, row=0.02, draft=0.02, chance=lambda branch, depth: (0.3, 0.95)[branch]).run(200)
    shapes = world.plan.shapes(world.branches, {0: 64, 1: 64}, 512)
    assert shapes[0].depth < shapes[1].depth


def test_drafts_stay_within_rows_and_levels():
    world = World(8, base=1.0, row=0.0, draft=0.0, chance=always(0.99), rows=20).run(60)
    assert max(world.lengths) <= 20 / 8
    shapes = world.plan.shapes(world.branches, {i: i % 3 for i in range(8)}, 512)
    assert all((shape.depth if shape else 0) <= i % 3 for i, shape in enumerate(shapes))


def test_acceptance_is_not_censored_by_the_window():
    random, short, long = Random(3), Acceptance(), Acceptance()
    for window, seen in ((2, short), (8, long)):
        for _ in range(6000):
            passed = next((d for d in range(window) if random.random() >= (0.9, 0.6)[d % 2]), window)
            seen.note(passed, min(window, passed + 1))
    assert short.chances()[:2] == pytest.approx(long.chances()[:2], abs=0.06)
    assert long.chances()[:4] == pytest.approx([0.9, 0.6, 0.9, 0.6], abs=0.08)


def test_curves_are_medians_and_lines():
    curve = Curve()
    for seconds in (1.0, 1.0, 50.0):
        curve.note(4, seconds)
    curve.note(8, 3.0)
    assert [curve.of(size) for size in (1, 4, 6, 8)] == [1.0, 1.0, 2.0, 3.0]
    assert curve.of(12) == pytest.approx(5.0)
    cost = StepCost()
    assert cost.of(2, 6) is None
    cost.note(2, 2, 1.0)
    cost.note(2, 6, 3.0)
    assert cost.of(2, 4) == pytest.approx(2.0)
    assert [size_class(size) for size in (1, 16)] == [1, 16]
    assert size_class(97) == size_class(101) != size_class(110)


def test_a_fixed_shape_is_cut_to_what_is_left():
    plan, branch = Always(chain(5)), SimpleNamespace(id=1)
    assert plan.shapes([branch], {1: 3}, 512)[0] == Independent((1, 1, 1))
    assert plan.shapes([branch], {1: 3}, 2) == []
