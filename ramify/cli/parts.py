"""The parts of drafting as rows: rules, shapes and drafters, with what composes and their papers."""

import re
import sys
from collections.abc import Callable
from typing import Any

from ramify.cli.document import Row
from ramify.core.registry import lookup, names

SAID = (
    "--draft",
    "--shape",
    "law",
    "guide options",
    "needs",
    "reads",
    "rules",
    "example",
)  # what the list says of a part beside its summary and paper
PAPER = re.compile(r"arXiv:\d{4}\.\d{5}|https://\S+[\w/]")
DRAFTS = {  # what --draft takes
    "model": "builtin-draft, builtin-aligned, a folder, or a hub name",
    "medusa": "builtin-medusa, or a folder of heads",
    "skip-layers": "skip-layers",
    "ngram": "ngram",
    "suffix": "suffix",
    "function": "in Python: ramify.load(speculate=function)",
}
SHAPES = {  # what --shape takes, for example
    "chain": "chain:4",
    "independent": "independent:2,2,1",
    "distinct": "distinct:2,2",
    "likeliest": "likeliest:3,2",
    "stochastic-beams": "stochastic-beams:4,3",
    "best-first": "best-first:12",
    "fixed": "fixed:-1,-1,0",
}
LOOKING_UP = ("ngram", "suffix", "function")  # no laws of their own: only rules that read given trees take them


def verifier_rows() -> list[Row]:
    """Each rule, and what it keeps or changes."""
    rows = []
    for name in names("verifier"):
        rule = lookup("verifier", name)
        if rule.lossless:
            law = "plain decoding's very tokens" if name == "coupled" else "plain decoding's"
        else:
            law = (
                "another than plain decoding's; needs --lossy"
                if rule.laws == 1
                else "another; not in the engine's loop"
            )
        reads = f"{'chains' if rule.chains_only else 'chains and trees'} of siblings {', '.join(rule.hows)}"
        more: dict[str, Any] = {"summary": rule.summary, "law": law, "reads": reads, "paper": rule.paper}
        more |= {"lossless": rule.lossless, "limits": rule.limits, "chains_only": rule.chains_only}
        rows.append(Row(name, float(rule.lossless), "lossless", more=more))
    return rows


def shape_rows() -> list[Row]:
    """Each shape, and the lossless rules that read it."""
    return [_row(name, lookup("shape", name), "--shape", SHAPES[name], _readers_of(name)) for name in names("shape")]


def drafter_rows() -> list[Row]:
    """Each drafter, and the lossless rules that it can be verified by."""
    rows = []
    for name in names("drafter"):
        rules = _lossless("given") if name in LOOKING_UP else _lossless("iid")
        rows.append(_row(name, sys.modules[lookup("drafter", name).__module__], "--draft", DRAFTS[name], rules))
    return rows


def guide_rows() -> list[Row]:
    """Each guide, and the models that it reads."""
    rows = []
    for name in names("guide"):
        entry = lookup("guide", name)
        options = [f"{o}={entry.defaults[o]}" if o in entry.defaults else o for o in entry.options]
        more = {"summary": entry.summary, "law": entry.law, "guide options": ", ".join(options), "needs": entry.needs}
        rows.append(Row(name, float(len(entry.models)), "models", more=more | said(entry.paper, entry.example)))
    return rows


def said(paper: str, example: str) -> dict[str, str]:
    """The columns that end an entry."""
    return {"example": example, "paper": paper}


PARTS: dict[str, Callable[[], list[Row]]] = {
    "verifier": verifier_rows,
    "shape": shape_rows,
    "drafter": drafter_rows,
    "guide": guide_rows,
}


def _row(name: str, described: Any, option: str, example: str, rules: list[str]) -> Row:
    """By its docstring: the first line, and the papers it names (or its module, where it names none)."""
    own = described.__doc__ or ""
    module = sys.modules[getattr(described, "__module__", described.__name__)].__doc__ or ""
    papers = dict.fromkeys(PAPER.findall(own) or PAPER.findall(module))
    summary = own.partition("\n\n")[0].replace("`", "").rstrip(".")
    more = {"summary": summary, option: example, "rules": ", ".join(rules), "paper": ", ".join(papers) or "-"}
    return Row(name, float(len(rules)), "lossless rules", more=more)


def _readers_of(shape: str) -> list[str]:
    made = lookup("shape", shape)
    how = "iid" if shape == "chain" else made.how
    return [rule for rule in _lossless(how) if shape == "chain" or not lookup("verifier", rule).chains_only]


def _lossless(how: str) -> list[str]:
    rules = [lookup("verifier", name) for name in names("verifier")]
    return [rule.name for rule in rules if rule.lossless and how in rule.hows]
