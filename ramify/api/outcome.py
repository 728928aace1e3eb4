"""From a session that is over to the result a caller gets."""

import math

from ramify.core.protocols import Codec
from ramify.core.results import Candidate, Result, TreeBranch
from ramify.core.types import Ended
from ramify.engine.ending import text_of
from ramify.engine.session import Session


def result_of(session: Session, method: str, seed: int, codec: Codec) -> Result:
    """Everything a caller wants to know of a session that ended well."""
    selection = session.result
    assert selection is not None
    weights = selection.weights or (None,) * len(selection.ended)
    candidates = {id(e): _candidate(e, codec, w) for e, w in zip(selection.ended, weights, strict=True)}
    best = candidates.get(id(selection.best)) or _candidate(selection.best, codec, None)
    tree = tuple(
        TreeBranch(
            id=node.branch.id,
            parent=node.branch.parent if node.branch.parent in session.tree else None,
            forked_at=node.branch.forked_at - node.branch.num_prompt,
            length=node.branch.num_generated,
            text=text_of(node.branch, codec),
            score=_known(node.score),
            ended=node.ended,
            best=node.branch is selection.best.branch,
        )
        for node in session.tree.values()
    )
    prompt_logprobs = tuple(selection.best.branch.prompt_logprobs)
    ledger = session.ledger
    return Result(
        best=best,
        candidates=tuple(candidates.values()),
        rounds=selection.rounds,
        tree=tree,
        ledger=ledger,
        method=method,
        seed=seed,
        prompt_logprobs=prompt_logprobs,
        log_evidence=selection.log_evidence,
    )


def _candidate(ended: Ended, codec: Codec, weight: float | None) -> Candidate:
    branch = ended.branch
    return Candidate(
        text=text_of(branch, codec),
        score=_known(ended.score),
        tokens=branch.num_generated,
        stopped_because=ended.stopped_because,
        answer=ended.answer,
        token_ids=tuple(branch.generated),
        logprobs=tuple(branch.logprobs),
        weight=weight,
        notes=tuple(branch.notes),
    )


def _known(score: float | None) -> float | None:
    """A score that a run could not pay for is none."""
    return None if score == -math.inf else score
