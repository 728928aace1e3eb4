"""Whatever drafts, as law sources on the toy: for each kind of drafter a stand-in that drafts as badly as it may.

What a rule sees of a drafter is laws after drafted paths, or a tree without laws. So a table stands for a model, and
the look-ups are the real ones. Every law passes through the request's transforms, with the path it stands behind.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ramify.core.sampling import Rule
from ramify.maths.law import final_law
from ramify.speculate.drafters.ngram import PromptLookup
from ramify.speculate.drafters.suffix import SuffixLookup
from ramify.speculate.shapes import Path
from ramify.speculate.tree import Masses, TokenTree, Weights
from ramify.toy.enumerate import Tape
from ramify.toy.model import ToyModel
from ramify.verify.searches import PROMPT

SIZE = 3
LawAfter = Callable[[Path], Masses]
Logits = Callable[[Path, int], Tensor]


class Enumerated:
    """A `Tape` as a rule's or a shape's chance: every outcome of every choice, and no continuous noise."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def choose(self, masses: Weights) -> int:
        """The tape's next outcome."""
        return self._tape.choose(masses.tolist() if isinstance(masses, np.ndarray) else masses)

    def uniform(self) -> float:
        """Refused: there is no going through all of them."""
        raise ValueError("continuous noise cannot be enumerated")


def transformed(logits: Logits, rule: Rule, size: int = SIZE) -> LawAfter:
    """Laws after any path, all transforms of sampling applied; each is worked out once."""

    @cache
    def law_after(path: Path) -> Masses:
        law = final_law(logits(path, size)[None], rule, [PROMPT], [path])
        mass_V: Masses = law.dense(size)[0].double().numpy()
        return mass_V

    return law_after


def model(order: int = 2, salt: int = 0, sharpness: int = 7) -> Logits:
    """A table of its own, read after the prompt and the path."""
    return lambda path, size: ToyModel(size, order, salt, sharpness).logits([*PROMPT, *path])


def _heads(path: Path, size: int) -> Tensor:
    """Head d sees the prompt and not what the other heads drafted."""
    return ToyModel(size, salt=20 + len(path)).logits(PROMPT)


def _exits(path: Path, size: int) -> Tensor:
    """Deeper drafts leave the target at other layers."""
    return ToyModel(size, salt=30 + len(path)).logits([*PROMPT, *path])


def _function(path: Path, size: int) -> Tensor:
    """A user's own law, which holds the last token of the vocabulary impossible at first."""
    mass_V = torch.arange(1.0, size + 1.0, dtype=torch.float64).roll(len(path))
    mass_V[-1] = 0.0 if not path else 1.0
    return mass_V.log()


TARGET: Logits = model()
LAWS: dict[str, Logits] = {
    "a smaller model": model(order=1, salt=9),
    "the target, layers skipped": model(sharpness=5),
    "Medusa heads": _heads,
    "nested exits": _exits,
    "a function that returns laws": _function,
}


def _tokens(most: int) -> TokenTree:
    """A user's own tree: 1 or 2, then anything after 2."""
    return TokenTree((1, 2, 0, 1, 2)[:most], (-1, -1, 1, 1, 1)[:most], {}, "given")


def _ngram(most: int) -> TokenTree:
    return PromptLookup().look_up(0, PROMPT, most)


def _suffix(most: int) -> TokenTree:
    lookup = SuffixLookup()
    for text in ((2, 1, 1, 2, 0), (2, 1, 2, 2, 0)):
        lookup.learn(text)
    return lookup.look_up(0, PROMPT, most)


TREES: dict[str, Callable[[int], TokenTree]] = {
    "prompt look-up": _ngram,
    "suffix look-up": _suffix,
    "a function that returns tokens": _tokens,
}


def paths_of(tree: TokenTree) -> list[Path]:
    """The drafted texts after which a rule wants the target's law: the root's, then every node's."""
    paths: list[Path] = [()]
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        paths.append((*paths[1 + parent], token))
    return paths


def is_chain(tree: TokenTree) -> bool:
    """Whether every node follows the one before it."""
    return all(parent == node - 1 for node, parent in enumerate(tree.parents))
