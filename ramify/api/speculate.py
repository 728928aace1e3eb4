"""What a user asks for when drafting is wanted, and the parts behind it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ramify.api.sources import folder_of
from ramify.core.errors import BadInput, Incompatible, UnknownName
from ramify.core.registry import lookup, names
from ramify.core.strict import whole
from ramify.engine.model import Model
from ramify.model.medusa import WEIGHTS, load_heads
from ramify.speculate.controller import LONGEST, Controller
from ramify.speculate.drafter import Drafter
from ramify.speculate.drafters.function import FunctionDrafter
from ramify.speculate.drafters.lookup import LookupDrafter
from ramify.speculate.drafters.medusa import MedusaDrafter
from ramify.speculate.drafters.model import ModelDrafter
from ramify.speculate.drafters.ngram import PromptLookup
from ramify.speculate.drafters.skipping import SkippingDrafter
from ramify.speculate.drafters.suffix import SuffixLookup
from ramify.speculate.plan import Always, Plan
from ramify.speculate.shapes import Shape
from ramify.speculate.speculation import Speculation
from ramify.speculate.tree import TokenTree, Verifier

DraftLike = str | Path | Callable[[Sequence[int], int], Sequence[int] | TokenTree]
NAMED = ("builtin-draft", "builtin-aligned", "builtin-medusa", "ngram", "suffix", "skip-layers")
LISTED = ("independent", "distinct", "likeliest", "fixed")  # shapes made from one list of numbers


@dataclass(frozen=True, kw_only=True)
class Speculate:
    """How to draft.

    Args:
        draft: "builtin-draft", "builtin-aligned", "builtin-medusa", a folder or hub name of a small model with the
            target's vocabulary, a folder of Medusa heads, "ngram", "suffix", "skip-layers" (the target with layers
            left out), or a function of (tokens, most).
        verifier: a rule from `ramify methods --kind verifier`. "coupled" gives the very tokens of plain decoding; the
            other lossless ones accept a little more, and give other tokens of the same law.
        shape: "auto" (as much as pays, see the controller), or a fixed one: "chain:4", "independent:2,2,1" (children
            on each level), "distinct:2,2", "likeliest:3,2", "stochastic-beams:4,3" (width, levels), "best-first:12"
            (nodes), "fixed:-1,-1,0" (parents), or a `Shape`.
        longest: most tokens of an "auto" chain.
        layers: use the first layers of the draft only, one draft serving several targets (S2D, arXiv:2407.01955).
        lossy: required for rules that change the law of the text.
        options: of the rule, by name.
    """

    draft: DraftLike
    verifier: str = "coupled"
    shape: str | Shape = "auto"
    longest: int = LONGEST
    layers: int | None = None
    lossy: bool = False
    options: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole("longest", self.longest, 1, LONGEST)
        if self.layers is not None:
            whole("layers", self.layers, 1, 1 << 10)


def rule_of(wish: Speculate) -> Verifier:
    """The rule, with its options set.

    Raises:
        UnknownName: there is no such rule, or it has no such option. BadInput: it is lossy and nobody said so.
        Incompatible: it needs what the engine's loop does not give it.
    """
    verifier: Verifier = lookup("verifier", wish.verifier)
    if not verifier.lossless and not wish.lossy:
        rules = [name for name in names("verifier") if lookup("verifier", name).lossless]
        raise BadInput(
            "verifier", f"{wish.verifier!r} changes the law of the text; say lossy=True, or take {', '.join(rules)}"
        )
    if verifier.laws > 1:
        raise Incompatible(
            f"verifier {wish.verifier!r}", "the engine's loop", "It reads a second law of every token, from a prompt."
        )
    return verifier.using(**wish.options) if wish.options else verifier


def speculation_of(
    wish: Speculate, target: Model, load_draft: Callable[[str | Path, int | None], Model]
) -> Speculation:
    """Drafter, rule and plan, refused here if they do not compose.

    Raises:
        UnknownName, BadInput, Incompatible, CheckpointError: see `Speculate`.
    """
    verifier, plan = rule_of(wish), _plan(wish)
    drafter = _drafter(wish, target, verifier, load_draft)
    if wish.layers is not None and not isinstance(drafter, ModelDrafter):
        raise Incompatible(f"layers={wish.layers}", f"draft {wish.draft!r}", "It has no layers of its own.")
    if not drafter.has_laws and not isinstance(drafter, FunctionDrafter) and "given" not in verifier.hows:
        raise Incompatible(
            f"verifier {wish.verifier!r}",
            f"draft {drafter.name!r}",
            "It weighs the draft's laws, and a look-up has none.",
        )
    if isinstance(plan, Always):
        _require_readable(plan.shape, verifier, drafter)
    elif "iid" not in verifier.hows:
        raise Incompatible(f"verifier {wish.verifier!r}", "shape 'auto'", "It reads no chains; give a shape.")
    return Speculation(drafter, verifier, plan, target.runner.vocab_size)


def _require_readable(shape: Shape, verifier: Verifier, drafter: Drafter) -> None:
    if drafter.has_laws and shape.how not in verifier.hows:
        raise Incompatible(
            f"verifier {verifier.name!r}", f"a shape of {shape.how} siblings", f"It reads {', '.join(verifier.hows)}."
        )
    if verifier.chains_only and not shape.is_chain:
        raise Incompatible(f"verifier {verifier.name!r}", "a tree", "It reads chains; take 'recursive' or 'coupled'.")


def _plan(wish: Speculate) -> Plan:
    if not isinstance(wish.shape, str):
        return Always(wish.shape)
    if wish.shape == "auto":
        return Controller(wish.longest)
    kind, _, sizes = wish.shape.partition(":")
    if kind not in names("shape"):
        raise UnknownName("shape", kind, ["auto", *names("shape")])
    try:
        numbers = [int(size) for size in sizes.split(",")]
    except ValueError:
        raise BadInput("shape", f"{wish.shape!r}: whole numbers are expected behind the colon, as in chain:4") from None
    make: Callable[..., Shape] = lookup("shape", kind)
    try:
        return Always(make(tuple(numbers)) if kind in LISTED else make(*numbers))
    except TypeError as error:
        raise BadInput("shape", f"{wish.shape!r}: {error}") from None


def _drafter(
    wish: Speculate, target: Model, verifier: Verifier, load_draft: Callable[[str | Path, int | None], Model]
) -> Drafter:
    draft: Any = wish.draft
    if draft == "ngram":
        return LookupDrafter("ngram", PromptLookup())
    if draft == "suffix":
        suffix = SuffixLookup()
        return LookupDrafter("suffix", suffix, suffix.learn)
    if draft == "skip-layers":
        return SkippingDrafter(target)
    if isinstance(draft, str | Path):
        if draft not in NAMED and not Path(draft).exists() and get_close_matches(str(draft), NAMED):
            raise UnknownName("draft", str(draft), NAMED)
        if ((folder := folder_of(draft)) / WEIGHTS).exists():
            if target.runner.config is None:
                raise Incompatible("Medusa heads", "this target", "They read a decoder's rows.")
            return MedusaDrafter(target, load_heads(folder, target.runner.config))
        return ModelDrafter(load_draft(draft, wish.layers), vocab_size=target.runner.vocab_size)
    if callable(draft):
        return FunctionDrafter(draft, target.runner.vocab_size, reads_laws="given" not in verifier.hows)
    raise BadInput("draft", f"{draft!r} is neither a name, nor a folder, nor a function of (tokens, most)")
