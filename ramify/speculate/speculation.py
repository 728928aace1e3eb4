"""A drafter, a rule and a plan as the engine's `Speculator`.

R rows, V vocabulary
"""

from collections.abc import Collection, Mapping, Sequence
from time import perf_counter

from ramify.core.types import Branch
from ramify.engine.drafts import Draft
from ramify.engine.model import Model
from ramify.maths.law import Law
from ramify.speculate.coins import Coins, Foresight
from ramify.speculate.drafter import Drafter, Order
from ramify.speculate.plan import Plan
from ramify.speculate.shapes import Shape
from ramify.speculate.tree import Chance, TokenTree, Verifier


class Speculation:
    """Drafts and their verification.

    Args:
        verifier: the rule; `coupled` leaves it to the target's own draws.
        plan: which shape each branch gets in each step.
    """

    def __init__(self, drafter: Drafter, verifier: Verifier, plan: Plan, vocab_size: int) -> None:
        self.drafter, self.verifier, self.plan, self.vocab_size = drafter, verifier, plan, vocab_size

    @property
    def models(self) -> Sequence[Model]:
        """The drafter's."""
        return self.drafter.models

    @property
    def coupled(self) -> bool:
        """Whether the target's own draws decide."""
        return self.verifier.name == "coupled"

    def propose(self, branches: Sequence[Branch], most: Mapping[int, int], rows: int) -> Mapping[int, Draft]:
        """Trees for the branches that the plan drafts for."""
        shapes = self.plan.shapes(branches, most, rows)
        if not shapes:
            return {}
        began = perf_counter()
        wanted = [(b, shape) for b, shape in zip(branches, shapes, strict=True) if shape is not None]
        orders = [Order(b, shape, self._chance(b, shape), wants_laws=not self.coupled) for b, shape in wanted]
        self.drafter.prepare(orders)
        prepared = perf_counter()
        trees = {i: tree for i, tree in self.drafter.propose(orders).items() if tree.tokens}
        ended = perf_counter()
        for order in orders:
            order.branch.ledger.drafts.seconds += (ended - began) / len(orders)
        self.plan.drafted(len(orders), prepared - began, ended - prepared, trees)
        return trees

    def accept(self, branch: Branch, draft: Draft, law: Law) -> tuple[Sequence[int], int]:
        """By the rule, on coins of this text's own."""
        assert isinstance(draft, TokenTree)
        p_RV = law.dense(self.vocab_size).double().cpu().numpy()
        accepted = self.verifier.accept(list(p_RV), draft, Coins(branch.address, len(branch.tokens), "accept"))
        return accepted.path, accepted.token

    def learn(self, branch: Branch, draft: Draft, length: int, path: Sequence[int], tested: int) -> None:
        """What became of a draft behind the branch's first `length` tokens."""
        self.drafter.keep(branch, length, [draft.tokens[node] for node in path])
        self.plan.learn(branch, len(path), tested)

    def shared(self, leader: Branch, follower: Branch) -> None:
        """For the drafter, which has read the draft for one of them."""
        self.drafter.share(leader, follower)

    def took(self, branches: int, rows: int, seconds: float) -> None:
        """For the plan."""
        self.plan.took(branches, rows, seconds)

    def make_room(self, keep: Collection[int]) -> bool:
        """A branch that is not drafted for now gives its drafting pages up."""
        for model in self.models:
            for branch in list(model.book.tables):
                if branch not in keep and model.book.tables[branch].length:
                    model.release_id(branch)
                    return True
        return False

    def forget(self, branch: Branch) -> None:
        """For the drafter and the plan."""
        self.drafter.forget(branch)
        self.plan.forget(branch)

    def _chance(self, branch: Branch, shape: Shape) -> Chance:
        length, rule = len(branch.tokens), branch.rule
        if self.coupled and shape.is_chain:
            cut = bool(rule.top_k) or rule.top_p < 1.0 or rule.min_p > 0.0
            return Foresight(branch.address, length, by_mass=cut)
        return Coins(branch.address, length, "draft")
