"""Decides in every step how far to draft for each branch, and not to where plain decoding wins.

    K    tokens of a drafted chain        n   branches drafted for        R   rows the target reads in the step
    a_d  chance that a drafted token at depth d passes, given that all above it did
    E(K) = 1 + a_1 + a_1 a_2 + ... + a_1 .. a_K, tokens a branch gets from the step

Chosen is the K that maximises n E(K) / (verify(R + n K) + draft(n, K)). Both costs are medians of what steps really
took on this machine; a_d counts only tokens that were put to the test, so that the window censors nothing. What the
target says of the present step decides nothing: the law stays plain decoding's.

A branch whose drafts fared worse or better than most gets as many tokens as reach the chance at which the common K
stops. What loses is tried again now and then, ever more rarely.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ramify.core.types import Branch
from ramify.speculate.costs import DraftCost, StepCost
from ramify.speculate.plan import chain
from ramify.speculate.shapes import Shape

LONGEST = 16
LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)
MEMORY = 400  # tests of a depth after which old ones count half
PRIOR, PRIOR_TESTS = 0.75, 4.0  # what is believed of a draft nobody has tried
OWN_TESTS = 12.0  # tests after which a branch's own record weighs as much as all others'
GAIN = 1.02  # what drafting must promise: less is within the error of its costs
FIRST_TRY, LAST_TRY = 8, 1024  # steps after which what lost is tried again, at first and at last
TRIAL = 3  # steps after which a cost counts as known
HOLD = 8  # steps that a decision to draft stands for
FIRST_LENGTH = 4  # of the chains that are tried first
MANY = 8  # branches with which half of that is tried


class Acceptance:
    """a_d, from tests that fade."""

    def __init__(self) -> None:
        self.passed, self.tested = [0.0] * LONGEST, [0.0] * LONGEST

    def note(self, accepted: int, tested: int) -> None:
        """A path of `accepted` tokens, put to the test to depth `tested`."""
        for depth in range(min(tested, LONGEST)):
            if self.tested[depth] >= 2 * MEMORY:
                self.tested[depth] /= 2
                self.passed[depth] /= 2
            self.tested[depth] += 1
            self.passed[depth] += depth < accepted

    def chances(self) -> list[float]:
        """a_1 .. a_LONGEST; a depth that few drafts reached is believed to be like the one above it."""
        found, above = list[float](), PRIOR
        for passed, tested in zip(self.passed, self.tested, strict=True):
            above = (passed + PRIOR_TESTS * above) / (tested + PRIOR_TESTS)
            found.append(above)
        return found

    @property
    def rate(self) -> float:
        """Of all tests at any depth."""
        return (sum(self.passed) + PRIOR * PRIOR_TESTS) / (sum(self.tested) + PRIOR_TESTS)


@dataclass
class Decided:
    """For numbers of branches that are alike: the common K, and for how long."""

    length: int = 0
    stands: int = 0  # steps until the next decision
    plain_steps: int = 0  # taken to know what they cost
    steps: int = 0  # since what lost was tried
    patience: int = FIRST_TRY
    trial: int = 0  # steps that what lost is still to be tried for


class Controller:
    """The plan that users get. It outlives requests: what one has taught it serves the next.

    Args:
        longest: most tokens of a chain.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self.longest = min(longest, LONGEST)
        self.acceptance, self.step_cost, self.draft_cost = Acceptance(), StepCost(), DraftCost()
        self.own: dict[int, list[float]] = {}  # branch -> [passed, tested]
        self.chosen = 0  # the common K of the last step
        self._drafting = (0, 0, 0.0, 0.0)  # branches, tokens, seconds of reading and of drafting, in the step under way
        self.decided: dict[int, Decided] = {}

    def shapes(self, branches: Sequence[Branch], most: Mapping[int, int], rows: int) -> Sequence[Shape | None]:
        """A chain for each branch, or nothing at all."""
        self._drafting = (0, 0, 0.0, 0.0)
        n = len(branches)
        common = min(self._choose(n), rows // n)
        self.chosen = common
        if common == 0:
            return []
        chances, rate, found = self.acceptance.chances(), self.acceptance.rate, list[Shape | None]()
        floor = 1.0
        for chance in chances[:common]:
            floor *= chance
        spare = rows - n * common
        for branch in branches:
            count = min(self._count(branch, chances, rate, floor, common + max(0, spare)), most[branch.id])
            spare -= max(0, count - common)
            found.append(chain(count) if count > 0 else None)
        return found if any(found) else []

    def drafted(self, branches: int, reading: float, seconds: float, trees: Mapping[int, Any]) -> None:
        """What drafting took."""
        tokens = sum(len(tree.tokens) for tree in trees.values())
        self._drafting = (branches, tokens, reading, seconds)

    def learn(self, branch: Branch, accepted: int, tested: int) -> None:
        """For all, and for the branch."""
        self.acceptance.note(accepted, tested)
        own = self.own.setdefault(branch.id, [0.0, 0.0])
        own[0] += accepted
        own[1] += tested

    def took(self, branches: int, rows: int, seconds: float) -> None:
        """Costs of the step: drafting's, and the target's."""
        n, tokens, reading, drafting = self._drafting
        if n:
            self.draft_cost.note(n, tokens / n, drafting)
        self.step_cost.note(branches, rows, seconds - reading - drafting)

    def forget(self, branch: Branch) -> None:
        """Its own record; what it taught stays."""
        self.own.pop(branch.id, None)

    def gain(self, n: int, length: int) -> float:
        """Predicted tokens a second with chains of `length` over those of plain decoding, for n branches."""
        plain, step = self.step_cost.of(n, n), self.step_cost.of(n, n * (1 + length))
        if plain is None or step is None:
            return 1.0
        expected, reached = 1.0, 1.0
        for chance in self.acceptance.chances()[:length]:
            reached *= chance
            expected += reached
        return expected * plain / (step + self.draft_cost.of(n, length))

    def _choose(self, n: int) -> int:
        """The common K; what was decided stands for a while, as deciding takes time, too."""
        here = self.decided.setdefault(n.bit_length(), Decided())
        if here.stands > 0:
            here.stands -= 1
            return here.length
        if here.plain_steps < TRIAL or self.step_cost.plain.of(n) is None:
            here.plain_steps += 1
            return 0  # plain decoding's cost comes first
        if self.draft_cost.seen(n) < TRIAL:
            return self._first(n)
        if here.trial > 0:  # then a new decision
            here.trial -= 1
            return self._first(n) if here.length == 0 else 0
        gains = {length: self.gain(n, length) for length in LENGTHS if length <= self.longest}
        best = max(gains, key=gains.__getitem__)
        here.length = best if gains[best] >= GAIN else 0
        here.steps += HOLD
        if here.length == 0 or here.steps >= here.patience:
            here.trial, here.steps = TRIAL, 0
            here.patience = min(2 * here.patience, LAST_TRY)
        here.stands = here.patience if here.length == 0 else HOLD
        return here.length

    def _first(self, n: int) -> int:
        """The length to try before anything is known: a trial with many branches is dear."""
        return min(FIRST_LENGTH if n < MANY else FIRST_LENGTH // 2, self.longest)

    def _count(self, branch: Branch, chances: Sequence[float], rate: float, floor: float, limit: int) -> int:
        """As many as reach the chance at which the common length stops, by the branch's own record."""
        passed, tested = self.own.get(branch.id, (0.0, 0.0))
        odds = ((passed + OWN_TESTS * rate) / (tested + OWN_TESTS)) / rate
        reached, count = 1.0, 0
        while count < min(limit, self.longest):
            reached *= min(0.995, chances[count] * odds)
            if reached < floor * 0.999:
                break
            count += 1
        return max(1, count)
