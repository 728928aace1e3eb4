"""`ramify verify`: the proofs as rows. Exact on the toy; on a model, within what its arithmetic allows."""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

from ramify.verify.acceptance import acceptance_is_as_claimed
from ramify.verify.drafting import POWER, Finding, Open, drafting_changes_nothing
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


def verify_drafting(
    open_: Open, prompts: Sequence[Any], *, samples: int, seed: int = 0, progress: Progress = lambda name: None
) -> list[Row]:
    """Speculation on a model: the same texts with drafts and without, and the law of sampled ones.

    Returns: rows as `verify` gives them. Those of a G-test have p as their value, and level (what p must exceed),
        samples, cells, tested (drafted tokens), power and finds (the total variation found so often). Those with a
        `reason` are rules that do not read this draft.
    """
    findings = drafting_changes_nothing(open_, prompts, samples, seed, progress)
    return [_drafting(finding) for finding in findings]


def _drafting(finding: Finding) -> Row:
    row = _row("speculation on the model", finding.law, finding.distance, 0.0, finding.seconds)
    if finding.reason is not None:
        return row | {"reason": finding.reason, "distance": None, "value": None, "bound": None}
    if (test := finding.test) is None:
        return row | {"unit": "share of texts"}
    finds, counts = test.finds(finding.level, POWER), {"samples": test.samples, "cells": test.cells}
    tested = {"p": test.p, "level": finding.level, **counts, "tested": test.tested, "power": POWER, "finds": finds}
    return row | {"value": test.p, "unit": "p-value", "bound": finding.level, "ok": finding.ok} | tested


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
