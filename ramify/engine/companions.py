"""The same texts behind another prompt: what a guide compares a branch with, in the same model.

A companion of a branch has a context of its own and, behind it, what the branch has drawn. It is brought into line when
somebody asks, so that each of its tokens is read once; it is forked and dropped with its branch, and drawn by nobody.
"""

from collections.abc import Callable, Iterable

from ramify.core.errors import BadInput
from ramify.core.types import Branch
from ramify.engine.model import Model

Context = tuple[int, ...]


class Companions:
    """Companions of an engine's branches, by branch and context.

    Args:
        branches: the engine's own register of who is alive; companions stand in it, too.
        models: every model of the engine, as of now.
        take_id: a number that no branch has.
    """

    def __init__(
        self, branches: dict[int, Branch], models: Callable[[], list[Model]], take_id: Callable[[], int]
    ) -> None:
        self._branches, self._models, self._take_id = branches, models, take_id
        self._of: dict[int, dict[Context, Branch]] = {}

    def beside(self, branch: Branch, context: Context) -> Branch:
        """The companion of a branch, holding `context` and all that the branch has drawn.

        Raises:
            BadInput: the context is empty.
        """
        if not context:
            raise BadInput("context", "it is empty; one token at least stands before a text")
        known = self._of.setdefault(branch.id, {})
        if context not in known:
            known[context] = self._made(branch, list(context), len(context))
        companion, wanted = known[context], [*context, *branch.generated]
        common = _agreement(companion.tokens, wanted)
        if common < len(companion.tokens):
            for model in self._models():
                model.truncate(companion, common, resume=common == len(wanted))
        companion.tokens[common:] = wanted[common:]
        return companion

    def ids(self, branches: Iterable[int]) -> set[int]:
        """The numbers of the companions of these branches."""
        return {companion.id for branch in branches for companion in self._of.get(branch, {}).values()}

    def clone(self, branch: Branch, child: Branch) -> None:
        """A fork has companions that stand where its parent's stand."""
        for context, companion in self._of.get(branch.id, {}).items():
            twin = self._made(child, companion.tokens.copy(), len(context))
            for model in self._models():
                model.clone(companion, twin)
            self._of.setdefault(child.id, {})[context] = twin

    def close(self, branch: Branch) -> None:
        """Companions go with their branch."""
        for companion in self._of.pop(branch.id, {}).values():
            self._branches.pop(companion.id, None)
            companion.alive = False
            for model in self._models():
                model.close(companion)

    def _made(self, branch: Branch, tokens: list[int], num_prompt: int) -> Branch:
        companion = Branch(
            id=self._take_id(),
            tokens=tokens,
            num_prompt=num_prompt,
            address=branch.address,
            sampling=branch.sampling,
            rule=branch.rule,
            max_length=branch.max_length,
            ledger=branch.ledger,
            parent=branch.id,
            speculate=False,
            bookmarks=branch.bookmarks,
            salt=branch.salt,
        )
        self._branches[companion.id] = companion
        return companion


def _agreement(a: list[int], b: list[int]) -> int:
    """How many tokens two texts begin with in common."""
    if len(a) <= len(b) and b[: len(a)] == a:
        return len(a)
    return next(i for i, (x, y) in enumerate(zip(a, [*b, -1], strict=False)) if x != y)
