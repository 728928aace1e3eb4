"""Options that several commands share, each said once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ramify.api import Speculate
from ramify.core.errors import BadInput
from ramify.core.registry import lookup
from ramify.core.spec import parse, read_value

PANEL = "Model"
MODES = "exact: a row's numbers never depend on its neighbours. reference: plain and slow."
OWN = ("self", "prompts", "method", "reward", "budget", "seed", "progress", "extract")  # no business of --set
DRAFTS = "A built-in draft, ngram, suffix, skip-layers, or a folder: see `ramify methods --kind drafter`."
DRAFTING = "Drafting"
REWARDS = "builtin-prm (default of the built-in models), builtin-orm, builtin-dpo, logprob, judge:MODEL, a folder ..."
GUIDES = "Other models shape every law: NAME(OPTION=VALUE, ...); see `ramify methods --kind guide`."
BUDGET = "Budget"

Model = Annotated[
    str, typer.Option("--model", "-m", help="builtin, builtin-draft, a folder, or a hub name.", rich_help_panel=PANEL)
]
Mode = Annotated[Literal["fast", "exact", "reference"], typer.Option(help=MODES, rich_help_panel=PANEL)]
Dtype = Annotated[
    Literal["auto", "float32", "bfloat16"], typer.Option(help="Of weights and pages.", rich_help_panel=PANEL)
]
Device = Annotated[str, typer.Option(help="cpu, cuda or auto.", rich_help_panel=PANEL)]
KvGib = Annotated[float, typer.Option(help="Memory for pages of each model, in GiB.", rich_help_panel=PANEL)]
Draft = Annotated[str | None, typer.Option("--draft", "-d", help=DRAFTS, rich_help_panel=DRAFTING)]
Verifier = Annotated[
    str | None,
    typer.Option(help="The rule; coupled if left out. See `ramify methods --kind verifier`.", rich_help_panel=DRAFTING),
]
Shape = Annotated[
    str | None,
    typer.Option(help="auto (as much as pays), or fixed: chain:4, independent:2,2,1, ...", rich_help_panel=DRAFTING),
]
Lossy = Annotated[
    bool,
    typer.Option("--lossy", metavar="", help="Let a rule change the law of the text.", rich_help_panel=DRAFTING),
]
Steer = Annotated[
    Path | None,
    typer.Option(help="Vectors that move the target's activations: `ramify train steering`.", rich_help_panel=PANEL),
]
SteerStrength = Annotated[
    float | None, typer.Option(help="Of --steer; the file's own if left out, 0 is none.", rich_help_panel=PANEL)
]
Guide = Annotated[str | None, typer.Option(help=GUIDES)]
BudgetTokens = Annotated[
    int | None, typer.Option(help="Most tokens drawn, all candidates together.", rich_help_panel=BUDGET)
]
BudgetRewardTokens = Annotated[
    int | None, typer.Option(help="Most tokens that reward models read.", rich_help_panel=BUDGET)
]
BudgetDraftTokens = Annotated[int | None, typer.Option(help="Most tokens that drafts read.", rich_help_panel=BUDGET)]
BudgetFlops = Annotated[
    float | None, typer.Option(help="FLOPs of all models, to within a step.", rich_help_panel=BUDGET)
]
BudgetSeconds = Annotated[float | None, typer.Option(help="Seconds, to within a step.", rich_help_panel=BUDGET)]
BudgetPages = Annotated[
    int | None, typer.Option(help="Most pages the candidates hold at once.", rich_help_panel=BUDGET)
]
Reward = Annotated[str | None, typer.Option(help=REWARDS)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any other option of the method or of sampling; repeatable."),
]
Seed = Annotated[int | None, typer.Option(help="Same seed, same text. Left out, one is drawn and reported.")]
FixedSeed = Annotated[int, typer.Option(help="Same seed, same numbers.")]
UnusedSeed = Annotated[int, typer.Option(help="Taken by every command; nothing here depends on it.")]
AsJson = Annotated[
    bool, typer.Option("--json", metavar="", help="Print one JSON document, the last line of standard output.")
]


def default_reward(wish: str | None, model: str) -> str | None:
    """The reward that was asked for; the built-in process reward for the built-in models."""
    return "builtin-prm" if wish is None and model.startswith("builtin") else wish


def uses_reward(method: str, wishes: Mapping[str, Any]) -> bool:
    """Whether a method, or one inside it (`each`), asks for scores.

    Raises:
        UnknownName: there is no such method. BadInput: it cannot be read.
    """
    name, written = parse(method, "method") if "(" in method else (method, {})
    each = written.get("each", wishes.get("each"))
    inner = isinstance(each, str) and uses_reward(each, {})
    return bool(lookup("method", name).uses_reward) or inner


def speculation(draft: str | None, verifier: str | None, shape: str | None, lossy: bool) -> Speculate | None:
    """How to draft, if that was asked for.

    Raises:
        BadInput: the other options are given without a draft.
    """
    wishes = given(verifier=verifier, shape=shape, lossy=lossy or None)
    if draft is None:
        if wishes:
            raise BadInput(next(iter(wishes)), "it says how to draft, and nothing drafts; give --draft, too")
        return None
    return Speculate(draft=draft, **wishes)


def settings(pairs: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE pairs as options; a value is JSON where it can be read as JSON, else text.

    Raises:
        BadInput: a pair without "=", a name given twice, or one that the command itself fills in.
    """
    read: dict[str, Any] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise BadInput("set", f"{pair!r} is not NAME=VALUE")
        if name in OWN:
            raise BadInput("set", f"{name} is not set this way; ramify run --help lists what has an option of its own")
        if name in read:
            raise BadInput("set", f"{name} is given twice")
        read[name] = read_value(text)
    return read


def given(**options: Any) -> dict[str, Any]:
    """Those options that were given."""
    return {name: value for name, value in options.items() if value is not None}
