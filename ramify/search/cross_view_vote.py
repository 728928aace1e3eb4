"""Cross-view consistency: one question in several wordings, one vote over all that is answered.

Yu et al., "Cross-Lingual Consistency: A Novel Inference Framework for Advancing Reasoning in Large Language Models",
arXiv:2504.01857.

    n   draws, shared out evenly among V views (the first ones have one more)
    views   templates around {prompt}: translations, or other wordings of the same question

Law: the plurality of answers among n independent draws, n / V behind each view; ties go to the answer seen first, in
the order of the views; who has no answer does not vote. Errors that belong to one wording do not add up over several.
One view "{prompt}" is majority vote, draw for draw: that view is the prompt itself, not a text encoded again.
Departure: a view can be any rendering. Translations are the user's to give (a view without {prompt} is a whole prompt
by itself, as a translation is); the built-in views are three wordings of plain text. Views beyond n have no draw.
"""

from ramify.core.protocols import Method
from ramify.core.strict import whole
from ramify.core.template import filled, listed
from ramify.core.types import Branch, Ended, Prompt, Selection
from ramify.core.wants import Advance, Answers, Finish, Fork, PromptText, Rephrase, Search
from ramify.maths.votes import plurality

AS_IT_IS = "{prompt}"
VIEWS = (AS_IT_IS, "Question: {prompt}", "{prompt}\n")


def cross_view_vote(prompt: Prompt, *, n: int = 12, views: tuple[str, ...] = VIEWS) -> Search[Selection]:
    """n branches behind their views to their ends, one vote each.

    Raises:
        BadInput: n below 1, no view, an empty one, or the same view twice.
    """
    whole("n", n, 1, 1 << 20)
    wordings = listed("views", views)
    text = yield PromptText(prompt)
    others = [filled(view, prompt=text) for view in wordings if view != AS_IT_IS]
    prompts = yield Rephrase(prompt, others)
    behind = dict(zip([view for view in wordings if view != AS_IT_IS], prompts, strict=True))
    live: list[Branch] = []
    view_of: list[str] = []
    for i, view in enumerate(wordings):
        if share := n // len(wordings) + (i < n % len(wordings)):
            live += yield Fork(behind.get(view, prompt), share)
            view_of += [view] * share
    yield Advance(live, Finish())
    a = yield Answers(live)
    ended = tuple(Ended.of(branch, None, a[branch]) for branch in live)
    rounds = tuple({"view": view, "answer": a[branch]} for view, branch in zip(view_of, live, strict=True))
    return Selection(ended[plurality([e.answer for e in ended])], ended, rounds)


METHOD = Method(
    name="cross-view-vote",
    run=cross_view_vote,
    summary="draw behind several wordings of the prompt, answer what most of them answer (cross-lingual consistency)",
    paper="arXiv:2504.01857",
    law="the most frequent answer among n independent draws shared out over the views; one view is majority vote",
    needs="answers that can be read off the texts",
    example='ramify run "Compute (12 + 9) * 4 - 30." --method cross-view-vote -n 6 '
    '--set \'views=["{prompt}", "Compute now. {prompt}"]\'',
)
