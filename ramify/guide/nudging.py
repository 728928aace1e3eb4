"""Nudging: where a base model is unsure, a small tuned model says the next word.

Fei et al., "Nudging: Inference-time Alignment of LLMs via Guided Decoding", arXiv:2410.09300.

    p_base      the target's law                       p_nudge   the nudger's law
    threshold   the base is unsure where its likeliest token has less mass than this (the paper's gamma)

Law of a token: p_nudge where the base is unsure or a nudged word goes on, p_base elsewhere: threshold 0 is the base,
above 1 the nudger. `branch.notes` is 1 for each nudged token and 0 for the others; their mean is the share of nudged
tokens. The nudger reads a branch only when it is asked, then all that it has missed.
Departures: the nudger draws rather than decodes greedily, so the end of its word cannot be read off a text it wrote
ahead: a nudged word goes on as long as the nudger's likeliest next token does not begin another word or end the text
(`words=False` nudges single tokens). Both models speak the same tokens; the paper hands over texts.
"""

from dataclasses import dataclass

from torch import Tensor

from ramify.core.errors import BadInput
from ramify.core.protocols import GuideEntry
from ramify.core.strict import finite, role
from ramify.core.types import Branch
from ramify.engine.guidance import Rows
from ramify.maths.products import top_masses


@dataclass(frozen=True, kw_only=True)
class Nudging:
    """The target, and who nudges it."""

    nudger: str
    threshold: float = 0.4
    words: bool = True
    name: str = "nudging"

    def __post_init__(self) -> None:
        role("nudger", self.nudger)
        finite("threshold", self.threshold, 0.0, 2.0)
        if not isinstance(self.words, bool):
            raise BadInput("words", f"{self.words!r} is neither True nor False")

    @property
    def models(self) -> tuple[str, ...]:
        """The nudger."""
        return (self.nudger,)

    def leads(self, branch: Branch) -> str | None:
        """The target, unless it is never sure enough."""
        return self.nudger if self.threshold > 1.0 else None

    def shape(self, rows: Rows) -> tuple[Tensor, list[float]]:
        """The nudger's rows in the place of those where the base is unsure."""
        if self.threshold > 1.0:
            return rows.logits_RV, [1.0] * len(rows.branches)
        unsure = [mass < self.threshold for mass in top_masses(rows.logits_RV)]
        within = [self.words and b.notes[-1:] == [1.0] for b in rows.branches]
        asked = [row for row, wanted in enumerate(unsure) if wanted or within[row]]
        if not asked:
            return rows.logits_RV, [0.0] * len(rows.branches)
        nudge_AV = rows.logits_of(self.nudger, asked)
        ends = rows.begins_word().tolist() if any(within) else []
        likeliest = nudge_AV.argmax(-1).tolist()
        logits_RV, notes = rows.logits_RV.clone(), [0.0] * len(rows.branches)
        for nudge_V, top, row in zip(nudge_AV, likeliest, asked, strict=True):
            if unsure[row] or not ends[top]:
                logits_RV[row], notes[row] = nudge_V.to(logits_RV.dtype), 1.0
        return logits_RV, notes


GUIDE = GuideEntry(
    name="nudging",
    make=Nudging,
    summary="a small tuned model says the words that the base is unsure of",
    paper="arXiv:2410.09300",
    law="the nudger's law where the base's likeliest token has less mass than the threshold, else the base's",
    options=("nudger", "threshold", "words"),
    models=("nudger",),
    defaults={"nudger": "builtin-aligned"},
    needs="a tuned model of the target's tokens",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method sample '
    '--guide "nudging(nudger=builtin-aligned, threshold=0.4)"',
)
