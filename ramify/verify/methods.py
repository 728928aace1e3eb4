"""`ramify verify search`: every method's law, and the simpler methods it must equal, enumerated on the toy.

The proofs stand in files of their own, a group of methods each (`proof-group` in the registry). A method without a
proof is a row that fails.
"""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from ramify.core.registry import lookup, names
from ramify.verify.toys import Proofs

EXACT = 1e-12
Progress = Callable[[str], None]


def all_proofs() -> Proofs:
    """(method, claim) -> what measures how far off it is, of all groups.

    Raises:
        ValueError: two groups prove the same.
    """
    found: Proofs = {}
    for group in names("proof-group"):
        proofs: Proofs = lookup("proof-group", group)
        if both := found.keys() & proofs.keys():
            raise ValueError(f"proved twice: {sorted(both)}")
        found |= proofs
    return found


def verify_search(progress: Progress = lambda name: None) -> Iterator[dict[str, Any]]:
    """One row a method (then a guide): its law, its claims with their distances, the largest of them, ok, seconds."""
    proofs = all_proofs()
    subjects = [*names("method"), *(name for name in dict.fromkeys(name for name, _ in proofs) if _beside(name))]
    for name in subjects:
        progress(name)
        start = perf_counter()
        claims = {claim: float(proof()) for (subject, claim), proof in proofs.items() if subject == name}
        worst = max(claims.values(), default=1.0)
        yield {
            "name": name,
            "law": _law(name),
            "claims": claims,
            "distance": worst,
            "value": worst,
            "unit": "largest distance of its claims",
            "ratio": None,
            "baseline": None,
            "bound": EXACT,
            "ok": bool(claims) and worst <= EXACT,
            "seconds": round(perf_counter() - start, 3),
        }


def _beside(name: str) -> bool:
    return name not in names("method")


def _law(name: str) -> str:
    kind, _, rest = name.partition(" ")
    if kind == "guide" and rest in names("guide"):
        return str(lookup("guide", rest).law)
    return str(lookup("method", name).law) if name in names("method") else name
