"""Pieces of HTML and SVG. Whatever comes from a model or a file is escaped here, and what cannot be seen is marked."""

from collections.abc import Callable
from urllib.parse import urlencode

from markupsafe import Markup, escape

from ramify.harness import quantities
from ramify.harness.trial import Trial

VOID = ("circle", "line", "path", "rect", "polygon")
FORMATS: dict[str, Callable[[float], str]] = {
    "percent": lambda value: f"{100 * value:.1f}%",
    "bare": lambda value: f"{100 * value:.1f}",
    "round": lambda value: f"{100 * value:.0f}",
    "signed": lambda value: f"{100 * value:+.1f}".replace("-", "\u2212"),
    "times": lambda value: f"{value:.2f}",
    "flops": quantities.flops,
    "count": quantities.count,
    "seconds": quantities.seconds,
    "size": quantities.size,
    "score": lambda value: f"{value:.3f}",
}


def visible(text: str) -> str:
    """Control characters and what turns the direction of writing become a visible mark; line breaks and tabs stay."""
    return "".join(mark if mark in "\n\t" or mark.isprintable() else "\ufffd" for mark in text)


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """An element. `class_` is class, `data_x` is data-x; an attribute that is None is left out."""
    pairs = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None]
    head = "".join(f' {key}="{escape(_written(value))}"' for key, value in pairs)
    if name in VOID and not children:
        return Markup(f"<{name}{head}/>")
    inner = Markup("").join(child if isinstance(child, Markup) else visible(child) for child in children)
    return Markup(f"<{name}{head}>") + inner + Markup(f"</{name}>")


def rows_query(trial: Trial) -> str:
    """The rows of rows.csv that a trial is made of, as a query: method=...&setting=...&n=..."""
    row = trial.rows[0]
    n = "" if trial.n is None else trial.n
    return urlencode({"method": row["method"], "setting": row["setting"], "n": n})


def number(
    value: float, as_: str, stat: str, trial: Trial, against: Trial | None = None, budget: float | None = None
) -> Markup:
    """A number with what it is (`stat`), how it is written (`as_`) and the rows it was computed from."""
    other = None if against is None else rows_query(against)
    about = {"data_stat": stat, "data_as": as_, "data_rows": rows_query(trial), "data_against": other}
    return tag("data", FORMATS[as_](value), value=value, data_budget=budget, **about)


def size_of(trial: Trial) -> Markup:
    """The n of a trial."""
    if trial.n is None:
        return Markup("–")
    return tag("data", str(trial.n), value=trial.n, data_stat="key:n", data_rows=rows_query(trial))


def _written(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, Coordinate) else visible(str(value))


class Coordinate(float):
    """A number of a drawing: two digits are enough."""
