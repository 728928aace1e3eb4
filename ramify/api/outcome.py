"""From a session that is over to the result a caller gets."""

from ramify.core.protocols import Codec
from ramify.core.results import Candidate, Result, TreeBranch
from ramify.core.types import Ended
from ramify.engine.ending import text_of
from ramify.engine.session import Session


def result_of(session: Session, method: str, seed: int, codec: Codec) -> Result:
    """Everything a caller wants to know of a session that ended well."""
    selection = session.result
    assert selection is not None
    candidates = {id(e): _candidate(e, codec) for e in selection.ended}
    best = candidates.get(id(selection.best)) or _candidate(selection.best, codec)
    tree = tuple(
        TreeBranch(
            id=node.branch.id,
            parent=node.branch.parent if node.branch.parent in session.tree else None,
            forked_at=node.branch.forked_at - node.branch.num_prompt,
            length=node.branch.num_generated,
            text=text_of(node.branch, codec),
            score=node.score,
            ended=node.ended,
            best=node.branch is selection.best.branch,
        )
        for node in session.tree.values()
    )
    prompt_logprobs = tuple(selection.best.branch.prompt_logprobs)
    ledger = session.ledger
    return Result(best, tuple(candidates.values()), selection.rounds, tree, ledger, method, seed, prompt_logprobs)


def _candidate(ended: Ended, codec: Codec) -> Candidate:
    branch = ended.branch
    return Candidate(
        text=text_of(branch, codec),
        score=ended.score,
        tokens=branch.num_generated,
        stopped_because=ended.stopped_because,
        answer=ended.answer,
        token_ids=tuple(branch.generated),
        logprobs=tuple(branch.logprobs),
    )
