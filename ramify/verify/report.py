"""`ramify verify`: the proofs as rows. Exact on the toy; on a model, within what its arithmetic allows."""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

from ramify.verify.acceptance import acceptance_is_as_claimed
from ramify.verify.lab import Lab, toy_lab
from ramify.verify.laws import LAWS
from ramify.verify.searches import searches_have_their_laws
from ramify.verify.speculation import Claim, speculation_is_lossless, uncombined

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
    """Every drafter in every shape under every lossless rule and sampling, enumerated; then who accepts how much.

    Returns: rows as `verify` gives them with drafter, shape, rule and sampling. Those with a `reason` are what cannot
        be combined; they prove nothing, and their distance is None.
    """
    lossless = [_combination("speculation on the toy", claim) for claim in speculation_is_lossless(progress)]
    much = [_combination("acceptance on the toy", claim, "tokens") for claim in acceptance_is_as_claimed(progress)]
    return [*lossless, *much, *(_combination("not to be combined", claim) for claim in uncombined())]


def _combination(name: str, claim: Claim, unit: str = "total variation") -> Row:
    row = _row(name, claim.name, claim.distance, EXACT, claim.seconds)
    names = {"drafter": claim.drafter, "shape": claim.shape, "rule": claim.rule, "sampling": claim.sampling}
    nothing = {} if claim.reason is None else {"distance": None, "value": None, "bound": None}
    return row | {"unit": unit} | names | {"reason": claim.reason} | nothing


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
