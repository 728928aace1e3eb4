"""`ramify verify`: the proofs as rows. Exact on the toy; on a model, within what its arithmetic allows."""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

from ramify.verify.lab import Lab, toy_lab
from ramify.verify.laws import LAWS
from ramify.verify.searches import searches_have_their_laws
from ramify.verify.speculation import speculation_is_lossless

EXACT = 1e-12
Row = dict[str, Any]
Progress = Callable[[str], None]


def verify(labs: Sequence[Lab] = (), progress: Progress = lambda name: None) -> list[Row]:
    """Every law on the toy, every search's claim by enumeration, every law on the labs given.

    Returns: rows with name, law, distance (total variation), value (the same), unit, bound, ok, seconds.
    """
    rows = [row for lab in (*(toy_lab(size) for size in (1, 2, 3)), *labs) for row in _laws(lab, progress)]
    progress("searches, enumerated on the toy")
    start = perf_counter()
    claims = searches_have_their_laws()
    seconds = (perf_counter() - start) / len(claims)
    return rows + [_row("searches on the toy", law, far, EXACT, seconds) for law, far in claims.items()]


def verify_speculation(progress: Progress = lambda name: None) -> list[Row]:
    """Every lossless rule of speculation over every shape of tree under every transform of sampling, enumerated.

    Returns: rows as `verify` gives them, one a combination.
    """
    claims = speculation_is_lossless(progress)
    return [_row("speculation on the toy", claim, far, EXACT, seconds) for claim, far, seconds in claims]


def _laws(lab: Lab, progress: Progress) -> Iterator[Row]:
    for law, measure in LAWS.items():
        progress(f"{lab.name}: {law}")
        start = perf_counter()
        far = measure(lab)
        bound = 0.0 if law == "rows never couple" else lab.tolerance
        yield _row(lab.name, law, far, bound, perf_counter() - start)


def _row(name: str, law: str, far: float, bound: float, seconds: float) -> Row:
    return {
        "name": f"{name}: {law}",
        "law": law,
        "distance": far,
        "value": far,
        "unit": "total variation",
        "ratio": None,
        "baseline": None,
        "bound": bound,
        "ok": far <= bound,
        "seconds": round(seconds, 3),
    }
