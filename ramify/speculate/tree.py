"""What a drafter proposes: tokens as a tree, with the law that every set of siblings was really drawn from.

root = -1 ── 0 ── 2            nodes in order of drawing; a node comes after its parent
           └ 1 ── 3 ── 4       a chain is a tree in which nobody has a sibling
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ramify.core.errors import DraftError, UnknownName
from ramify.core.strict import finite

Masses = NDArray[np.float64]  # [V], sum one
Weights = Sequence[float] | Masses
How = Literal["given", "iid", "distinct"]
ROOT = -1
LOOSE = 1e-6  # that laws of float32 may miss a sum of one by


class Chance(Protocol):
    """Where a verifier's randomness comes from: addressed uniforms in the engine, every outcome in a proof."""

    def choose(self, masses: Weights) -> int:
        """An index, with probability in proportion to its mass. A law of a large vocabulary comes as an array."""
        ...

    def uniform(self) -> float:
        """A number in [0, 1). Only shapes with continuous noise ask for one; nothing can enumerate it."""
        ...


def happens(probability: float, chance: Chance) -> bool:
    """Whether an event of this probability happens; certain ones take no chance."""
    if probability <= 0.0 or probability >= 1.0:
        return probability >= 1.0
    return chance.choose((probability, 1.0 - probability)) == 0


@dataclass(frozen=True)
class TokenTree:
    """Drafted tokens. `laws[node]` is what the children of `node` were drawn from, after all transforms of sampling.

    how    "given": the children did not come by chance (a look-up, a top-k); they have no law
           "iid": they were drawn independently, so two of them may be equal
           "distinct": they were drawn one after another without replacement, in their order
    scores how likely the drafter holds each node to be, from the root on; empty where it does not say. No rule reads it
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    laws: Mapping[int, Masses]
    how: How
    scores: tuple[float, ...] = ()

    def children(self, node: int) -> list[int]:
        """The node's children in the order in which they were drawn."""
        return [child for child, parent in enumerate(self.parents) if parent == node]


def audited(tree: TokenTree, vocab_size: int) -> TokenTree:
    """The tree itself, if a rule may rely on it.

    Raises:
        DraftError: a parent that is drawn later, a token outside the vocabulary, a law that is missing, holds what is
            no probability or does not sum to one, a token that its own law cannot give, or a distinct one given twice.
    """
    if len(tree.tokens) != len(tree.parents):
        raise DraftError(f"{len(tree.tokens)} tokens with {len(tree.parents)} parents")
    for node, (token, parent) in enumerate(zip(tree.tokens, tree.parents, strict=True)):
        if not ROOT <= parent < node:
            raise DraftError(f"node {node} follows node {parent}, which is drawn later")
        if not 0 <= token < vocab_size:
            raise DraftError(f"node {node} is token {token}; the vocabulary has {vocab_size}")
    if tree.how != "given":
        for node in sorted(set(tree.parents)):
            _audit_siblings(tree, node, vocab_size)
    return tree


def _audit_siblings(tree: TokenTree, node: int, vocab_size: int) -> None:
    law_V, tokens = tree.laws.get(node), [tree.tokens[child] for child in tree.children(node)]
    if law_V is None or law_V.shape != (vocab_size,):
        raise DraftError(f"the children of node {node} need the law they were drawn from, of {vocab_size} masses")
    total = float(law_V.sum())
    if not (np.isfinite(law_V).all() and (law_V >= 0.0).all() and abs(total - 1.0) <= LOOSE):
        raise DraftError(f"the law of the children of node {node} is none: it sums to {total:g}")
    if impossible := [token for token in tokens if law_V[token] == 0.0]:
        raise DraftError(f"token {impossible[0]} after node {node} has no mass in the law it was drawn from")
    if tree.how == "distinct" and len(set(tokens)) < len(tokens):
        raise DraftError(f"the children of node {node} are drawn without replacement, and two are equal")


@dataclass(frozen=True)
class Accepted:
    """A path of the tree from the root (may be empty) and the token after it, which is no longer the draft's."""

    path: tuple[int, ...]
    token: int


def descend(level: Callable[[int], tuple[int | None, int]]) -> Accepted:
    """Down the tree: `level(node)` is the accepted child of a node, or None and the token that ends the path."""
    path: list[int] = []
    while True:
        child, token = level(path[-1] if path else ROOT)
        if child is None:
            return Accepted(tuple(path), token)
        path.append(child)


class Accept(Protocol):
    """A rule. `p[0]` is the target's law after the committed text, `p[1 + node]` after a node of the tree.

    Law of a lossless rule: whatever the draft was, the accepted tokens, `token`, and then plain decoding have together
    the law of plain decoding.
    """

    def __call__(self, p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted: ...


def token_by_token(p: Sequence[Masses], tree: TokenTree, chance: Chance, excess: float = 0.0) -> Accepted:
    """Along a chain until the first rejection: accept with min(1, (p + excess) / q), else draw what p has beyond that.

    What the target cannot give is never accepted, however large the excess.
    """
    path: list[int] = []
    for node, token in enumerate(tree.tokens):
        p_V, q_V = p[node], tree.laws[node - 1]  # after the node before, or after the root
        mass = float(p_V[token])
        if not happens((mass + excess) / float(q_V[token]) if mass > 0.0 else 0.0, chance):
            return Accepted(tuple(path), chance.choose(surplus(p_V, q_V)))
        path.append(node)
    return Accepted(tuple(path), chance.choose(p[len(path)]))


@dataclass(frozen=True)
class Verifier:
    """A rule with what it is known by, and which trees it can read.

    limits    the options that `accept` takes by name, each with its least and its largest value
    laws      how many laws of every node it reads: `p` holds the target's of all nodes, then the second ones of all
    """

    name: str
    accept: Accept
    summary: str
    paper: str
    hows: tuple[How, ...]
    chains_only: bool = False
    lossless: bool = True
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    laws: int = 1

    def using(self, **options: float) -> "Verifier":
        """The same rule with options set; those not named keep their defaults.

        Raises:
            UnknownName: the rule has no such option. BadInput: a value outside its limits.
        """
        for name, value in options.items():
            if name not in self.limits:
                raise UnknownName("option", name, self.limits)
            finite(name, value, *self.limits[name])
        accept: Callable[..., Accepted] = self.accept
        return replace(self, accept=partial(accept, **options))


def surplus(p_V: Masses, q_V: Masses) -> Masses:
    """What the target's law has beyond the draft's, scaled to one: the law of a token that replaces a rejected one."""
    return scaled(np.maximum(p_V - q_V, 0.0), p_V)


def scaled(mass_V: Masses, otherwise_V: Masses) -> Masses:
    """To a sum of one. Without any mass (rounding left a residue of nothing) it is `otherwise`."""
    total = float(mass_V.sum())
    return mass_V / total if total > 0.0 else otherwise_V
