"""Drafted rows become laws, and laws a path of the draft and the token after it.

    R rows, V vocabulary

A rule of `ramify.speculate` judges (`Speculator.accept`), or the target's own draws do: the branch takes what plain
decoding would draw, and the draft is followed for as long as it foresaw that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from torch import Tensor

from ramify.core.random import uniform
from ramify.core.types import Branch, TokenLogprob
from ramify.engine.drafts import Draft, Speculator, is_chain
from ramify.engine.draws import BLOCK, Draw, addressed, alike, logprobs_of, rows_of
from ramify.maths.law import Law, final_law
from ramify.model.tails import depths

Taken = tuple[int, int | None]  # a token, and the drafted node that it is


@dataclass(frozen=True)
class Verified:
    """A draft of N tokens with the target's answer: rows `first` (the root's) .. first + N of a step's logits.

    Branches with the same text may share a draft and its rows, if their own draws decide.
    """

    branch: Branch
    draft: Draft
    first: int
    start: int  # the branch's length when it was drafted for

    @property
    def rows(self) -> range:
        """Its rows."""
        return range(self.first, self.first + 1 + len(self.draft.tokens))

    @property
    def prompt(self) -> list[int]:
        """The branch's prompt."""
        return self.branch.tokens[: self.branch.num_prompt]

    @property
    def generated(self) -> list[int]:
        """What the branch had generated when it was drafted for."""
        return self.branch.tokens[self.branch.num_prompt : self.start]

    def path(self, row: int) -> list[int]:
        """The drafted tokens that lead to a row (row 0, the root: none)."""
        tokens, node = list[int](), row - 1
        while node >= 0:
            tokens.append(self.draft.tokens[node])
            node = self.draft.parents[node]
        return tokens[::-1]

    def child(self, node: int, token: int) -> int | None:
        """The child of a node (-1: the root) that is this token; of equal ones the first."""
        drafted = zip(self.draft.tokens, self.draft.parents, strict=True)
        return next((i for i, (t, parent) in enumerate(drafted) if parent == node and t == token), None)

    def outcome(self, taken: Sequence[Taken]) -> tuple[list[int], int]:
        """The accepted path, and to which depth the draft was put to the test (one deeper, if a level was refused)."""
        path = [node for _, node in taken if node is not None]
        refused = len(path) < len(taken) and (path[-1] if path else -1) in self.draft.parents
        return path, len(path) + refused

    def law(self, logits_RV: Tensor, rows: Sequence[int]) -> Law:
        """The laws of some of its rows (0 is the root's), each with its own path."""
        drawn = [[*self.generated, *self.path(row)] for row in rows]
        wanted = rows_of(logits_RV, [self.first + row for row in rows])
        return final_law(wanted, self.branch.rule, [self.prompt] * len(rows), drawn)


def foreseen(logits_RV: Tensor, drafts: Sequence[Verified]) -> list[list[int]]:
    """What plain decoding would draw at every row of every draft, if the text went there."""
    spots = [
        (v, row, depth) for v in drafts for row, depth in enumerate((0, *(1 + d for d in depths(v.draft.parents))))
    ]
    drawn = list[tuple[int, int]]()
    uniforms = [uniform(v.branch.address, v.start + depth) for v, _, depth in spots]
    for rule, some in alike([v.branch for v, *_ in spots], max(1, BLOCK // logits_RV.shape[-1])):
        prompts: list[list[int]] = [[]] * len(some)
        paths = prompts
        if rule.reads_path or rule.bad_runs:
            prompts = [v.prompt for v, *_ in (spots[i] for i in some)]
            paths = [[*v.generated, *v.path(row)] for v, row, _ in (spots[i] for i in some)]
        law = final_law(rows_of(logits_RV, [spots[i][0].first + spots[i][1] for i in some]), rule, prompts, paths)
        drawn += zip(some, law.draw([uniforms[i] for i in some]), strict=True)
    tokens = iter([token for _, token in sorted(drawn)])
    return [list(islice(tokens, len(v.rows))) for v in drafts]


Taking = tuple[Verified, Iterator[Taken]]


def take(logits_RV: Tensor, drafts: Sequence[Verified], speculator: Speculator, draw: Draw) -> Iterator[Taking]:
    """One a draft. Its tokens are to be appended to the branch one by one, as they come."""
    leaders = dict[int, Branch]()
    for verified in drafts:
        if (leader := leaders.setdefault(verified.first, verified.branch)) is not verified.branch:
            speculator.shared(leader, verified.branch)
    if speculator.coupled and draw is addressed:
        yield from zip(drafts, map(_followed, drafts, foreseen(logits_RV, drafts)), strict=True)
        return
    for verified in drafts:
        if speculator.coupled:
            yield verified, _one_by_one(verified, logits_RV, draw)
        else:
            law = verified.law(logits_RV, range(len(verified.rows)))
            yield verified, _judged(verified, *speculator.accept(verified.branch, verified.draft, law))


def _judged(verified: Verified, path: Sequence[int], token: int) -> Iterator[Taken]:
    yield from ((verified.draft.tokens[node], node) for node in path)
    yield token, None


def _followed(verified: Verified, drawn: Sequence[int]) -> Iterator[Taken]:
    tokens, node = verified.draft.tokens, -1
    if is_chain(verified.draft.parents):
        while node + 1 < len(tokens) and tokens[node + 1] == drawn[1 + node]:
            node += 1
            yield tokens[node], node
        yield drawn[1 + node], None
        return
    while (child := verified.child(node, drawn[1 + node])) is not None:
        node = child
        yield tokens[node], node
    yield drawn[1 + node], None


def _one_by_one(verified: Verified, logits_RV: Tensor, draw: Draw) -> Iterator[Taken]:
    """For draws that want to see the branch as it is when they are made."""
    node: int | None = -1
    laws = verified.law(logits_RV, range(len(verified.rows)))
    while node is not None:
        at = slice(1 + node, 2 + node)
        law = Law(laws.mass_RK[at], None if laws.ids_RK is None else laws.ids_RK[at])
        (token,) = draw(law, [verified.branch])
        node = verified.child(node, token)
        yield token, node


def logprobs_taken(logits_RV: Tensor, verified: Verified, taken: Sequence[Taken]) -> list[TokenLogprob]:
    """Of the tokens that were taken, for a branch that asks for them."""
    if verified.branch.sampling.logprobs is None:
        return []
    rows = [0, *(1 + node for _, node in taken[:-1] if node is not None)]
    law, wanted = verified.law(logits_RV, rows), rows_of(logits_RV, [verified.first + row for row in rows])
    found = logprobs_of(wanted, law, [verified.branch] * len(rows), [token for token, _ in taken])
    return [logprob for each in found for logprob in each]
