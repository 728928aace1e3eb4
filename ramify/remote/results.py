"""From a run that is over to the result a caller gets: the same types as a local one's."""

import math

from ramify.core.results import Candidate, Result, TreeBranch
from ramify.core.types import Ended, Selection
from ramify.remote.driver import Run


def result_of(run: Run, selection: Selection, method: str, seed: int) -> Result:
    """Everything a caller wants to know of a run that ended well."""
    weights = selection.weights or (None,) * len(selection.ended)
    candidates = {id(e): _candidate(run, e, w) for e, w in zip(selection.ended, weights, strict=True)}
    best = candidates.get(id(selection.best)) or _candidate(run, selection.best, None)
    tree = tuple(
        TreeBranch(
            id=node.branch.id,
            parent=node.branch.parent,
            forked_at=node.branch.forked_at - node.branch.num_prompt,
            length=node.branch.num_generated,
            text=node.text,
            score=_known(node.score),
            ended=node.ended,
            best=node.branch is selection.best.branch,
        )
        for node in run.books.tree.values()
    )
    return Result(
        best=best,
        candidates=tuple(candidates.values()),
        rounds=selection.rounds,
        tree=tree,
        ledger=run.ledger,
        method=method,
        seed=seed,
        log_evidence=selection.log_evidence,
    )


def _candidate(run: Run, ended: Ended, weight: float | None) -> Candidate:
    branch = ended.branch
    on_ids = run.books.written[branch.id].source.wire == "ids"
    return Candidate(
        text=run.text_of(branch),
        score=_known(ended.score),
        tokens=branch.num_generated,
        stopped_because=ended.stopped_because,
        answer=ended.answer,
        token_ids=tuple(branch.generated) if on_ids else (),
        logprobs=tuple(branch.logprobs),
        weight=weight,
    )


def _known(score: float | None) -> float | None:
    return None if score == -math.inf else score
