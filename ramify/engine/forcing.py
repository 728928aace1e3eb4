"""Tokens that a search chooses instead of drawing them: which are likeliest behind a branch, and putting one there.

    R rows, V vocabulary

Both go by the law that a draw would have come from (penalties, bias, bans, temperature, cuts, guide), so a token that
cannot be drawn is not among the likeliest.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ramify.core.errors import BadInput
from ramify.core.protocols import Codec
from ramify.core.types import Branch, Continuation, TokenLogprob
from ramify.engine.draws import alike, draw_tokens, rows_of
from ramify.engine.ending import settle
from ramify.engine.guidance import Guidance
from ramify.engine.model import Model
from ramify.maths.law import Law, final_law


def likeliest(target: Model, guidance: Guidance, branches: Sequence[Branch], k: int) -> list[list[Continuation]]:
    """The k likeliest next tokens of each branch, likeliest first (lowest id on ties); fewer where fewer are possible.

    Raises:
        BadInput: a branch is done. OutOfPages: see `Engine.read`.
    """
    _growing("likeliest", branches)
    if not branches:
        return []
    notes = [len(b.notes) for b in branches]
    logits_RV = _logits(guidance, branches)
    for branch, count in zip(branches, notes, strict=True):  # nothing was drawn
        del branch.notes[count:]
    found: list[list[Continuation]] = [[] for _ in branches]
    for rule, rows in alike(branches, len(branches)):
        members = [branches[row] for row in rows]
        law = final_law(
            rows_of(logits_RV, rows), rule, [b.tokens[: b.num_prompt] for b in members], [b.generated for b in members]
        )
        best_Rk = law.dense(logits_RV.shape[-1]).log().topk(min(k, logits_RV.shape[-1]))
        for row, branch, values, ids in zip(rows, members, best_Rk[0].tolist(), best_Rk[1].tolist(), strict=True):
            pairs = sorted(zip(ids, values, strict=True), key=lambda pair: (-pair[1], pair[0]))
            found[row] = [Continuation(t, v, _ends(branch, t, target.codec)) for t, v in pairs if v > -torch.inf]
    return found


def append(branch: Branch, tokens: Sequence[int]) -> int:
    """Put tokens behind a branch as if they had been drawn, and were certain; returns how many.

    Raises:
        BadInput: the branch is done, or it would be longer than it may.
    """
    if branch.done or len(branch.tokens) + len(tokens) > branch.max_length:
        what = "is done" if branch.done else f"may have {branch.max_length} tokens, not {len(tokens)} more"
        raise BadInput("append", f"branch {branch.id} {what}")
    branch.tokens += tokens
    given = [TokenLogprob(token, 0.0, (), 0.0) for token in tokens]
    branch.logprobs += given if branch.sampling.logprobs is not None else []
    branch.notes += [0.0] * len(tokens) if branch.guide is not None else []
    if len(branch.tokens) == branch.max_length:
        branch.finish = "length"
    return len(tokens)


def extend(target: Model, guidance: Guidance, branches: Sequence[Branch], tokens: Sequence[int]) -> None:
    """Put one token behind each branch as if it had been drawn. Nothing is read, unless log-probabilities are kept.

    Raises:
        BadInput: a branch is done or named twice, or a token is not in the vocabulary.
    """
    _growing("extend", branches)
    size = target.runner.vocab_size
    if len(set(branches)) != len(branches) or len(tokens) != len(branches):
        raise BadInput("extend", "one token for each branch, and each branch once")
    for token in tokens:
        if not 0 <= token < size:
            raise BadInput("extend", f"token {token} is not in the vocabulary of {size}")
    chosen = dict(zip(branches, tokens, strict=True))
    noted = [b for b in branches if b.sampling.logprobs is not None or b.guide is not None]
    if noted:

        def given(law: Law, members: Sequence[Branch]) -> list[int]:
            return [chosen[b] for b in members]

        for branch, (_, logprob) in zip(noted, draw_tokens(_logits(guidance, noted), noted, given), strict=True):
            branch.logprobs += logprob
    for branch, token in chosen.items():
        branch.tokens.append(token)
        branch.ledger.generated_tokens += 1
        branch.ledger.draws += 1
        settle(branch, target.codec)


def _logits(guidance: Guidance, branches: Sequence[Branch]) -> Tensor:
    """What the branches' next tokens would be drawn from, [R, V]."""
    elsewhere = guidance.elsewhere(branches)
    role_of = {b: role for role, some in elsewhere.items() for b in some}
    groups = dict[str | None, list[int]]()
    for row, branch in enumerate(branches):
        groups.setdefault(role_of.get(branch), []).append(row)
    parts = {role: guidance.logits(role, [branches[row] for row in rows]) for role, rows in groups.items()}
    order = [row for rows in groups.values() for row in rows]
    first, *others = parts.values()
    logits_RV = torch.cat([first, *(part.to(first.dtype) for part in others)])
    back = sorted(range(len(order)), key=order.__getitem__)
    return guidance.shaped(logits_RV[back], branches)


def _ends(branch: Branch, token: int, codec: Codec) -> bool:
    """Whether a branch would be done behind a token; it stays as it is."""
    branch.tokens.append(token)
    try:
        settle(branch, codec)
        return branch.done
    finally:
        branch.tokens.pop()
        branch.finish = branch.text_end = None


def _growing(want: str, branches: Sequence[Branch]) -> None:
    for branch in branches:
        if branch.done:
            raise BadInput(want, f"branch {branch.id} is done; nothing stands behind it")
