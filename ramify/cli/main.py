"""The command `ramify`."""

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from ramify import __version__
from ramify.cli.advise import advise
from ramify.cli.bench import bench
from ramify.cli.compare import compare
from ramify.cli.demo import demo
from ramify.cli.listing import methods, models
from ramify.cli.run import run
from ramify.cli.serve import serve
from ramify.cli.steering import steering
from ramify.cli.terminal import Face
from ramify.cli.train import train
from ramify.cli.verify import verify

app = typer.Typer(
    name="ramify",
    help="An inference engine for open language models in which generation branches.",
    cls=Face,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ramify {__version__}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """An inference engine for open language models in which generation branches."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # an ASCII terminal gets "?" for what it lacks, not a traceback


for command in (run, serve, compare, methods, models, advise, verify, bench, demo):
    app.command()(command)
train.command()(steering)
app.add_typer(train, name="train")
