"""`ramify run --server URL`: where a command searches, in this process or on somebody else's server."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from typing import Annotated, Any

import typer

from ramify.api import LM, Remote, connect, load, steering_from
from ramify.cli import options
from ramify.core.errors import BadInput, Incompatible

PANEL = "Somebody else's server"
KEY_VARIABLE = "RAMIFY_API_KEY"
LOADED = ("mode", "dtype", "device", "kv_gib")
Server = Annotated[
    str | None,
    typer.Option(help="Search there: OpenAI's interface, up to and with /v1.", rich_help_panel=PANEL),
]
ApiKey = Annotated[
    str | None, typer.Option(help=f"Of --server. Also {KEY_VARIABLE}.", rich_help_panel=PANEL, show_default=False)
]
ServerModel = Annotated[
    str | None, typer.Option(help="As --server names it; its first if left out.", rich_help_panel=PANEL)
]


@contextmanager
def searcher(
    server: str | None, api_key: str | None, server_model: str | None, here: Mapping[str, Any], command: Any
) -> Iterator[LM | Remote]:
    """A model in this process, or a connection that is hung up in the end.

    Args:
        here: options of a model in this process, as the command was given them.
        command: the function behind the command, whose defaults say which of them were given.

    Raises:
        Incompatible: an option that a server has not. BadInput: an option of a server, and there is none.
    """
    if server is None:
        for name, value in (("api_key", api_key), ("server_model", server_model)):
            if value is not None:
                raise BadInput(name, "it belongs to --server; give that, too")
        drafting = options.speculation(here["draft"], here["verifier"], here["shape"], here["lossy"])
        moved = steering_from(here["steer"], here["steer_strength"])
        loaded = {name: here[name] for name in LOADED}
        yield load(here["model"], speculate=drafting, steer=moved, **loaded)
        return
    defaults = signature(command).parameters
    for name, value in here.items():
        if value != defaults[name].default:
            remedy = "That is the server's affair; --server-model names its model."
            raise Incompatible(f"--{name.replace('_', '-')}", "--server", remedy)
    with connect(server, server_model, api_key or _key()) as remote:
        yield remote


def judge(lm: LM | Remote, wish: str | None, model: str) -> str | None:
    """The reward that was asked for; the built-in process reward of the built-in models, here or there."""
    if isinstance(lm, LM):
        return options.default_reward(wish, model)
    if wish is None and "builtin-prm" in lm.capabilities.rewards:
        return "server:builtin-prm"
    return wish


def _key() -> str | None:
    """The first key of the environment: `ramify serve` takes several from there."""
    return next(iter(os.environ.get(KEY_VARIABLE, "").split()), None)
