"""Explore, then execute: draw many short plans, choose among them, carry the best out greedily.

Yang et al., "Explore-Execute Chain: Towards an Efficient Structured Reasoning Paradigm" (E2C), arXiv:2509.23946.

    K (n)   plans drawn      m (execute)   plans carried out

A plan is what a text begins with: its first step (up to `step`, at most plan_tokens tokens). Equal plans are one; the
m best by the run's reward (choose="reward") or by how often they were drawn (choose="vote", ties by reward) are
carried out at temperature 0, each from its own keys and values. The answer is the finished text of highest reward.
Cost: K plans and m texts, where voting over K texts pays for K texts. A search, not a sampler.
A plan as long as the text is best-of-n, draw for draw (n=1: plain sampling); a plan drawn at temperature 0 is greedy.
Departure: the paper trains a model to write plans in a form of their own and to follow them; here a plan is what the
model writes first.
"""

from ramify.core.errors import BadInput, UnknownName
from ramify.core.protocols import Method
from ramify.core.steps import concluded, counts
from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Drop, Finish, Fork, Marker, Score, Search, Texts

CHOICES = "reward", "vote"


def explore_execute(
    prompt: Prompt,
    *,
    n: int = 8,
    execute: int = 1,
    choose: str = "reward",
    step: str = "\n",
    plan_tokens: int = 64,
) -> Search[Selection]:
    """Explore n plans, execute the best.

    Args:
        n: plans drawn. execute: how many of them are carried out. choose: "reward" or "vote".
        step: text that ends a plan. plan_tokens: most tokens of one.
    Raises:
        BadInput, UnknownName: an option is out of its range, or more plans are to be carried out than drawn.
    """
    counts(n=n, execute=execute, plan_tokens=plan_tokens)
    if execute > n:
        raise BadInput("execute", f"{execute} plans cannot be carried out of {n} drawn")
    if choose not in CHOICES:
        raise UnknownName("choose", choose, CHOICES)
    plans: list[Branch] = yield Fork(prompt, n)
    yield Advance(plans, Marker(step, plan_tokens))
    r: dict[Branch, float] = yield Score(plans)
    texts: dict[Branch, str] = yield Texts(plans)

    alike = dict[tuple[str, bool], list[Branch]]()
    for plan in plans:
        alike.setdefault((texts[plan], plan.done), []).append(plan)
    clusters = sorted(alike.values(), key=lambda same: (choose == "vote" and len(same), r[same[0]]), reverse=True)
    chosen = [same[0] for same in clusters[:execute]]
    rounds = [{"plans": n, "distinct": len(clusters), "most_alike": max(map(len, clusters))}]

    executed = list[Branch]()
    for plan in chosen:
        if not plan.done:
            executed += yield Fork(plan, 1, temperature=0.0)
            del r[plan]  # it lives on in its fork
    yield Drop([plan for plan in plans if not plan.done])
    yield Advance(executed, Finish())
    r |= yield Score(executed)
    return (yield from concluded(r, rounds))


METHOD = Method(
    name="explore-execute",
    run=explore_execute,
    summary="draw many short plans, carry out the best greedily (E2C)",
    paper="arXiv:2509.23946",
    law="a search for the reward's maximiser; plans as long as texts are best-of-n",
    uses_reward=True,
    needs="a reward that scores plans (partial texts)",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method explore-execute --n 8 --reward builtin-prm',
)
