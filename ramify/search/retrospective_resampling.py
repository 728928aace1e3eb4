"""Retrospective resampling: when a step turns out doubtful, back up to the last confident point and draw it again.

Wu et al., "Generate, but Verify: Reducing Hallucination in Vision-Language Models with Retrospective Resampling"
(REVERSE), NeurIPS 2025, arXiv:2504.13169.

    P     confidence of a step        tau (threshold)   what suffices        K (retries)   most retries of a step
    T_0   the prompt's temperature    T_0 + min(i * warmer, warmest)   that of the i-th retry

A step's confidence is the mean log-probability of its tokens under the model's own law (signal="confidence"), or the
run's reward must not fall by more than `drop` from the last confident point (signal="reward"). A doubtful step is cut
off and drawn again, warmer, behind a hint if there is one; the point before it is the last confident one. If no retry
is confident, the most confident of all draws stays, and the text goes on at T_0. Several texts (n) run side by side;
the one of highest reward is returned.
Not a law: steps are preferred by confidence. A threshold that all reach, or retries=0, is plain sampling (n=1) and
best-of-n, draw for draw.
Departures: the paper trains a model to write marks of confidence and watches their probability; a point without a
confident retry is not left for an earlier one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ramify.core.errors import UnknownName
from ramify.core.protocols import Method
from ramify.core.steps import candidates, counts, eligible, rewound
from ramify.core.strict import finite, whole
from ramify.core.types import Branch, Prompt, Selection, best_of
from ramify.core.wants import Advance, Answers, Append, Drop, Fork, Marker, Score, Search

SIGNALS = "confidence", "reward"


def retrospective_resampling(
    prompt: Prompt,
    *,
    n: int = 4,
    signal: str = "confidence",
    threshold: float = -0.3,
    drop: float = 1.0,
    retries: int = 3,
    warmer: float = 0.1,
    warmest: float = 0.5,
    hint: str = "",
    step: str = "\n",
    max_step_tokens: int = 128,
) -> Search[Selection]:
    """Draw a step of each text; go on where it is confident, back up where it is not.

    Args:
        threshold: least mean log-probability (natural logarithm) of a confident step.
        drop: most that the reward may fall in a step (signal="reward").
        retries: of a step. warmer: added to the temperature at each, at most `warmest` in all.
        hint: text put behind the last confident point before a retry (left out where there is no room for it).
        step: text that ends a step. max_step_tokens: most tokens of one.
    Raises:
        BadInput, UnknownName: an option is out of its range.
    """
    counts(n=n)
    if signal not in SIGNALS:
        raise UnknownName("signal", signal, SIGNALS)
    least, most = finite("threshold", threshold, high=0.0), finite("drop", drop, 0.0)
    tau = least if signal == "confidence" else -most
    K, until = whole("retries", retries, 0, 64), Marker(step, max_step_tokens)
    warmth = [min(i * finite("warmer", warmer, 0.0, 10.0), finite("warmest", warmest, 0.0, 10.0)) for i in range(K + 1)]
    branches: list[Branch] = yield Fork(replace(prompt.with_logprobs("raw"), bookmarks=True), n)
    texts = [_Text(b, b.num_prompt, b.num_prompt) for b in branches]
    r, rounds, T_0 = dict[Branch, float](), list[dict[str, Any]](), prompt.sampling.temperature
    while live := [text for text in texts if not text.over]:
        yield Advance([text.branch for text in live], until)
        r |= yield Score([text.branch for text in live])
        for text in live:
            text.judge(r, signal)
        doubtful = [x for x in live if not x.confident(tau) and len(x.draws) <= K and x.branch.finish != "budget"]
        rounds.append({"live": len(live), "doubtful": len(doubtful), "confidence": min(x.draws[-1][0] for x in live)})
        for text in live:
            if text in doubtful:
                yield from _back_up(text, T_0 + warmth[len(text.draws)], hint)
            else:
                kept = text.branch if text.confident(tau) else max(text.draws, key=lambda draw: draw[0])[1]
                yield from _go_on(text, kept, r, T_0)
    answers = yield Answers(list(r))
    ended, own = candidates(r, answers), {text.branch for text in texts}
    return Selection(best_of(eligible([e for e in ended if e.branch in own])), ended, tuple(rounds))


@dataclass(eq=False)
class _Text:
    """A text on its way. `point` is the last confident one; `draws` are the steps from there, with their confidence."""

    branch: Branch
    point: int
    begin: int  # of what is drawn from the point: behind a hint
    before: float = 0.0  # the reward at the point
    draws: list[tuple[float, Branch]] = field(default_factory=list)
    over: bool = False

    def confident(self, tau: float) -> bool:
        """Whether the last draw is."""
        return self.draws[-1][0] >= tau

    def judge(self, r: Mapping[Branch, float], signal: str) -> None:
        """Note the confidence of the step that was just drawn."""
        drawn = [each.logprob for each in self.branch.logprobs[self.begin - self.branch.num_prompt :]]
        confidence = sum(drawn) / max(1, len(drawn)) if signal == "confidence" else r[self.branch] - self.before
        self.draws.append((confidence, self.branch))


def _back_up(text: _Text, temperature: float, hint: str) -> Search[None]:
    [text.branch] = yield from rewound(text.branch, text.point, 1, temperature)
    if hint and len(text.branch.tokens) + len(hint.encode()) < text.branch.max_length:  # a byte is a token at most
        yield Append(text.branch, hint)
    text.begin = len(text.branch.tokens)


def _go_on(text: _Text, kept: Branch, r: dict[Branch, float], T_0: float) -> Search[None]:
    """From one of the draws, at the prompt's temperature."""
    first = text.draws[0][1]
    yield Drop([b for _, b in text.draws if b is not kept])
    text.branch, text.over, text.before = kept, kept.done, r[kept]
    if kept is not first and not kept.done:
        [text.branch] = yield Fork(kept, 1, temperature=T_0)
        r[text.branch] = r.pop(kept)  # it lives on in its fork
        yield Drop([kept])
    text.point = text.begin = len(text.branch.tokens)
    text.draws = []


METHOD = Method(
    name="retrospective-resampling",
    run=retrospective_resampling,
    summary="draw doubtful steps again, warmer, from the last confident point (REVERSE)",
    paper="arXiv:2504.13169",
    law="a search for confident texts; retries=0 is best-of-n",
    uses_reward=True,
    needs='a reward that chooses among the n texts, and judges steps with signal="reward"',
    example='ramify run "Compute (12 + 9) * 4 - 30." --method retrospective-resampling --n 2 --reward builtin-prm',
)
