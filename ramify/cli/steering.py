"""`ramify train steering`: vectors from pairs of answers."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer

from ramify.api.sources import folder_of
from ramify.cli import options
from ramify.cli.document import Row, document, emit
from ramify.cli.terminal import err, out
from ramify.core.errors import BadInput
from ramify.core.registry import lookup
from ramify.core.strict import whole


def steering(
    pairs: Annotated[Path, typer.Option(help='A line each: {"prompt": ..., "preferred": ..., "dispreferred": ...}.')],
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="The safetensors file to make.")],
    target: Annotated[str, typer.Option(help="Whom to steer: builtin, a folder, or a hub name.")] = "builtin",
    layers: Annotated[
        str | None, typer.Option(help="After which, from 0, with commas between; all if left out.")
    ] = None,
    top_k: Annotated[int, typer.Option(help="Tokens taken out of a prompt at a time.")] = 3,
    steps: Annotated[int, typer.Option(help="Gradients of the integral.")] = 32,
    average: Annotated[Literal["pca", "mean"], typer.Option(help="How differences become one direction.")] = "pca",
    threads: Annotated[int, typer.Option(help="Of the processor.")] = 1,
    seed: options.UnusedSeed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Make steering vectors from pairs of answers (GrAInS, arXiv:2507.18043).

    The tokens of each prompt that speak most for the preferred answer, and most
    against it, are found by integrated gradients and taken out; the activations
    that this changes are the vectors. Strength 1 is a lot: begin with 0.3.

    Examples:
      ramify train steering --pairs pairs.jsonl --out plus.safetensors
      ramify run "Compute 7 * 8." --steer plus.safetensors --steer-strength 0.3
    """
    torch.set_num_threads(whole("threads", threads, 1, 1024))
    wishes: dict[str, Any] = {"layers": _numbers(layers), "top_k": top_k, "steps": steps, "average": average}
    gaps: list[float] = []

    def watch(done: int, seen: Any) -> None:
        gaps.append(abs(seen.gap))
        if done % 10 == 0:
            err().print(f"{done} pairs, the integral misses {_median(gaps):.2g} nats (median)")

    made = lookup("recipe", "steering")(out_file, folder_of(target), pairs, watch=watch, **wishes)
    if as_json:
        rows = [Row(f"layer_{layer}", float(vector.norm()), "length") for layer, vector in made.vectors.items()]
        rows.append(Row("gap", _median(gaps), "nats, median of what the integral misses"))
        emit(document(rows, seed=seed, pairs=len(gaps)))
        return
    out().print(f"Vectors of {len(gaps)} pairs for {len(made.vectors)} layers are in {out_file}", soft_wrap=True)


def _numbers(text: str | None) -> list[int] | None:
    try:
        return None if text is None else [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput("layers", f"{text!r}: whole numbers with commas between are expected, as in 2,3") from None


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else math.nan
