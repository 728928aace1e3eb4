"""The final law of a row, written again in plain Python from its definition: what `maths.law` is held against."""

import math
from collections.abc import Sequence

from ramify.core.sampling import Rule

NEVER = -math.inf


def final_law(logits: Sequence[float], rule: Rule, prompt: Sequence[int], path: Sequence[int]) -> list[float]:
    """A mass for each token."""
    values = [_adjusted(token, value, rule, prompt, path) for token, value in enumerate(logits)]
    ranked = sorted(range(len(values)), key=lambda token: (-values[token], token))
    if rule.temperature == 0:
        return [float(token == ranked[0]) for token in range(len(values))]
    if rule.top_k:
        ranked = ranked[: rule.top_k]
    top = values[ranked[0]]
    weight = {token: math.exp((values[token] - top) / rule.temperature) for token in ranked}
    total, before, kept = math.fsum(weight.values()), 0.0, dict[int, float]()
    for token in ranked:
        if before < rule.top_p and weight[token] >= rule.min_p * weight[ranked[0]]:
            kept[token] = weight[token]
        before += weight[token] / total
    total = math.fsum(kept.values())
    return [kept.get(token, 0.0) / total for token in range(len(values))]


def edges(logits: Sequence[float], rule: Rule) -> list[float]:
    """How far each cut's quantities are from its threshold: where it is tiny, rounding decides."""
    top = max(logits)
    weights = sorted((math.exp((x - top) / (rule.temperature or 1.0)) for x in logits), reverse=True)
    weights = weights[: rule.top_k or len(weights)]
    total, before, far = math.fsum(weights), 0.0, list[float]()
    for weight in weights:
        far += [abs(before - rule.top_p), abs(weight - rule.min_p)]
        before += weight / total
    return far


def _adjusted(token: int, value: float, rule: Rule, prompt: Sequence[int], path: Sequence[int]) -> float:
    if token in prompt or token in path:
        value = value / rule.repetition_penalty if value > 0 else value * rule.repetition_penalty
    if token in path:
        value -= rule.presence_penalty + rule.frequency_penalty * list(path).count(token)
    value += dict(rule.logit_bias).get(token, 0.0)
    text = [*prompt, *path]
    for run in rule.bad_runs:
        stem = list(run[:-1])
        if run[-1] == token and (not stem or text[-len(stem) :] == stem):
            return NEVER
    return value
