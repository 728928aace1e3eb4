"""`ramify serve`: the HTTP server."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from ramify.api import steering_from
from ramify.cli import options
from ramify.cli.terminal import err, out
from ramify.core.errors import BadInput
from ramify.core.registry import lookup

ACCESS, WATCH = "Who may come in", "What is written down"
KEY = "Asked of every request but /healthz; repeatable: each key has its own part of the prefix cache."


Name = Annotated[str | None, typer.Option(help="What clients call the model.")]
Host = Annotated[str, typer.Option(help="Address to listen on.", rich_help_panel=ACCESS)]
Port = Annotated[int, typer.Option(help="Port to listen on.", rich_help_panel=ACCESS)]
ApiKey = Annotated[
    list[str] | None, typer.Option(help=f"{KEY} Also RAMIFY_API_KEY.", rich_help_panel=ACCESS, show_default=False)
]
Limit = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Change a cap; see --print-limits.", rich_help_panel=ACCESS),
]
Reward = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=FOLDER", help="A reward model that requests may name; repeatable."),
]
Also = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=FOLDER", help="A model that guides, judges and methods may name; repeatable."),
]
RowBudget = Annotated[int, typer.Option(help="Most tokens read in one step.", rich_help_panel=options.PANEL)]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Cores that the engine computes on; tried out at the start if not said: one is left to HTTP where that "
        "makes steps little slower.",
        show_default=False,
        rich_help_panel=options.PANEL,
    ),
]
Grace = Annotated[float, typer.Option(help="Seconds that running requests have to end after SIGTERM.")]
LogFormat = Annotated[
    Literal["auto", "json", "text"], typer.Option(help="auto: text on a terminal.", rich_help_panel=WATCH)
]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning, error.", rich_help_panel=WATCH)]
LogDb = Annotated[Path | None, typer.Option(help="SQLite file that every call is written to.", rich_help_panel=WATCH)]
LogPrompts = Annotated[
    bool, typer.Option("--log-prompts", metavar="", help="Let the log hold texts.", rich_help_panel=WATCH)
]
PrintLimits = Annotated[
    bool, typer.Option("--print-limits", metavar="", help="Print every cap, and stop.", rich_help_panel=ACCESS)
]
PrintDashboard = Annotated[
    bool,
    typer.Option("--print-dashboard", metavar="", help="Print a Grafana dashboard, and stop.", rich_help_panel=WATCH),
]


def serve(
    model: options.Model = "builtin",
    name: Name = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    api_key: ApiKey = None,
    limit: Limit = None,
    reward: Reward = None,
    also: Also = None,
    draft: options.Draft = None,
    verifier: options.Verifier = None,
    shape: options.Shape = None,
    lossy: options.Lossy = False,
    steer: options.Steer = None,
    steer_strength: options.SteerStrength = None,
    mode: options.Mode = "fast",
    dtype: options.Dtype = "auto",
    device: options.Device = "auto",
    kv_gib: options.KvGib = 0.5,
    row_budget: RowBudget = 512,
    threads: Threads = None,
    grace: Grace = 30.0,
    log_format: LogFormat = "auto",
    log_level: LogLevel = "info",
    log_db: LogDb = None,
    log_prompts: LogPrompts = False,
    print_limits: PrintLimits = False,
    print_dashboard: PrintDashboard = False,
) -> None:
    """Serve a model over HTTP: OpenAI's interface, every search as one more field, a page to play with.

    Only this machine is listened to unless --host says otherwise.

    Examples:
      ramify serve
      ramify serve --draft builtin-draft --api-key $(openssl rand -hex 16)
      ramify serve -m path/to/model --reward prm=path/to/prm --limit max_n=32
    """
    if print_limits:
        _print_limits()
        return
    if print_dashboard:
        typer.echo(_server("dashboard")())
        return
    environment = os.environ.get("RAMIFY_API_KEY", "").split()
    wishes: dict[str, Any] = {"model": model, "name": name, "host": host, "port": port, "grace": grace}
    wishes |= {"api_keys": [*(api_key or ()), *environment], "limits": limit or ()}
    wishes |= {"rewards": _named("reward", reward), "known": _named("also", also)}
    wishes |= {"log_format": log_format, "log_level": log_level, "log_db": log_db, "log_prompts": log_prompts}
    wishes |= {"mode": mode, "dtype": dtype, "device": device, "kv_gib": kv_gib, "row_budget": row_budget}
    wishes |= {"threads": threads}
    wishes |= {
        "speculate": options.speculation(draft, verifier, shape, lossy),
        "steer": steering_from(steer, steer_strength),
    }
    _server("serve")(**wishes, say=lambda text: err().print(text, highlight=False))


def _server(name: str) -> Any:
    try:
        return lookup("server", name)
    except ImportError as error:
        raise BadInput("serve", f"{error}; pip install 'ramify[server]'") from error


def _named(field: str, wishes: list[str] | None) -> dict[str, str]:
    """NAME=FOLDER, folders checked here and never later."""
    named = {}
    for wish in wishes or ():
        name, equals, folder = wish.partition("=")
        if not equals or not name or not folder:
            raise BadInput(field, f"{wish!r}; NAME=FOLDER is expected")
        named[name] = folder
    return named


def _print_limits() -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("--limit", "default", "what"):
        table.add_column(heading, justify="right" if heading == "default" else "left")
    for name, default, what in _server("limits")():
        table.add_row(name, f"{default:g}" if isinstance(default, float) else str(default), what)
    out().print(table)
