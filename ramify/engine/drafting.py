"""Who is drafted for in a step."""

from collections.abc import Mapping

from ramify.core.errors import OutOfPages
from ramify.core.types import Branch
from ramify.engine.drafts import Draft, Speculator, is_chain
from ramify.engine.model import Model
from ramify.engine.reading import Agenda


def drafts_for(target: Model, speculator: Speculator, agenda: Agenda, most: Mapping[int, int]) -> Mapping[int, Draft]:
    """Drafts for branches that read nothing but their last token, each for all that do so with it.

    Siblings that agree so far are read as one. Where their own draws decide (`coupled`), one chain serves them all, and
    each follows it as far as its draws go; a rule that weighs the draft would tie their texts together.

    Args:
        most: branch id -> how many tokens it may grow by.
    """
    able, levels = list[Branch](), dict[int, int]()
    for branch in target.ready(agenda):
        group = agenda.group(branch)
        guided = any(b.guide is not None for b in (branch, *(group or ())))
        if branch.speculate and not guided and group is not None and (not group or speculator.coupled):
            left = branch.max_length - len(branch.tokens)
            levels[branch.id] = min(left, *(most.get(b.id, left) for b in (branch, *group))) - 1
            if levels[branch.id] > 0:
                able.append(branch)
    while able:
        try:
            drafts = speculator.propose(able, levels, agenda.rows_left)
            return {b.id: drafts[b.id] for b in able if b.id in drafts and _fits(agenda, b, drafts[b.id])}
        except OutOfPages:
            if not speculator.make_room({b.id for b in able}):
                able = able[: len(able) // 2]
    return {}


def _fits(agenda: Agenda, branch: Branch, draft: Draft) -> bool:
    return is_chain(draft.parents) or not agenda.group(branch)  # a tree is moved in place: its pages are one's own
