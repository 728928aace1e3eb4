"""Telling somebody what happens in a search's tree: after each round, what has changed since the last one.

A branch that nothing happened to costs a few comparisons of numbers, whatever its length.
"""

import math
from dataclasses import dataclass
from typing import Any

from ramify.core.events import Event, EventKind, Watch
from ramify.core.protocols import Codec
from ramify.core.types import Branch, Finish
from ramify.engine.ending import text_of
from ramify.engine.session import Session, TreeNode
from ramify.engine.telling import Telling


@dataclass(eq=False, slots=True)
class Told:
    """What was told of a branch: its number, its length (the prompt's tokens included), text, score and end."""

    node: TreeNode
    number: int
    length: int
    telling: Telling
    score: tuple[float | None, int] = (None, 0)
    finish: Finish | None = None


class Watching:
    """Somebody who watches a search, the inner ones included. `look` after every round."""

    def __init__(self, session: Session, codec: Codec, tell: Watch) -> None:
        self.session, self._codec, self._tell = session, codec, tell
        self._told: dict[int, Told] = {}  # of branches that are alive
        self._born = 0
        session.born = []

    def look(self) -> None:
        """Tell what has changed: births, as far as the parents still stand where they were told to, then what became of
        the others, then births in the midst of changes, and who was dropped."""
        assert self.session.born is not None
        born, self.session.born = self.session.born, []
        late = dict[int, tuple[TreeNode, int]]()
        for number, node in enumerate(born, self._born):
            if node.branch.parent in late or not self._stands(node.branch):
                late[node.branch.id] = node, number
            else:
                self._fork(node, number, node.branch.forked_at)
        self._born += len(born)
        for told in list(self._told.values()):
            self._update(told)
        for node, number in late.values():
            self._fork(node, number, self._agreement(node.branch))
            self._update(self._told[node.branch.id])
        for told in [told for told in self._told.values() if not told.node.branch.alive]:
            self._drop(told)

    def _stands(self, branch: Branch) -> bool:
        """Whether a branch forked where its parent was told to stand, or behind the prompt."""
        parent = self._parent(branch)
        cut = branch.forked_at if branch.cut is None else branch.cut  # a fork begins with its parent's
        return parent is None or branch.forked_at <= min(parent.length, cut)

    def _parent(self, branch: Branch) -> Told | None:
        return None if branch.parent is None else self._told.get(branch.parent)

    def _agreement(self, branch: Branch) -> int:
        """How many of its tokens a branch has from its parent as that is now."""
        parent = self._parent(branch)
        assert parent is not None
        theirs, end = parent.node.branch.tokens, min(branch.forked_at, parent.length)
        return next((i for i in range(branch.num_prompt, end) if theirs[i] != branch.tokens[i]), end)

    def _fork(self, node: TreeNode, number: int, length: int) -> None:
        branch, parent = node.branch, self._parent(node.branch)
        if parent is not None and parent.length == length and parent.finish is None:
            telling, text = parent.telling.twin(), parent.telling.text
        else:
            telling, text = self._retold(branch, length)
        self._told[branch.id] = told = Told(node, number, length, telling)
        self._say(told, "fork", parent=None if parent is None else parent.number, text=text)

    def _retold(self, branch: Branch, length: int) -> tuple[Telling, str]:
        """Telling the text of a branch's first tokens anew."""
        prompt = branch.tokens[: branch.num_prompt]
        telling = Telling(self._codec, prompt, branch.sampling.stop)
        ends = branch.finish == "stop" and length == len(branch.tokens)
        return telling, telling.push(branch.tokens[branch.num_prompt : length - ends])

    def _update(self, told: Told) -> None:
        branch, node = told.node.branch, told.node
        if branch.cut is not None and branch.cut < told.length:
            told.length, told.finish = branch.cut, None
            told.telling, text = self._retold(branch, branch.cut)
            self._say(told, "rewind", text=text)
        branch.cut = None
        if node.score is not None and told.score != (node.score, node.scored_at):
            told.score = node.score, node.scored_at
            score = None if node.score == -math.inf else node.score
            self._say(told, "score", at=node.scored_at - branch.num_prompt, score=score)
        if len(branch.tokens) > told.length:
            self._advance(told)
        if branch.finish != told.finish:
            told.finish = branch.finish
            self._say(told, "end", text=self._rest(told), reason=branch.finish)

    def _advance(self, told: Told) -> None:
        branch, first = told.node.branch, told.length
        tokens, told.length = branch.tokens[first:], len(branch.tokens)
        drafted = tuple(at in branch.drafted for at in range(first, told.length))
        ends = branch.finish == "stop"  # the last token says nothing then, or completes a stop text
        text = told.telling.push(tokens[:-1] if ends else tokens)
        known = tuple(branch.logprobs[first - branch.num_prompt : told.length - branch.num_prompt])
        self._say(told, "advance", tokens=tuple(tokens), drafted=drafted, text=text, logprobs=known)

    def _rest(self, told: Told) -> str:
        """What is still to be told of a text that does not grow."""
        text = text_of(told.node.branch, self._codec)
        rest = told.telling.close(text)
        if rest is None:  # it was told beyond its end: a stop text was in what the search itself had put there
            self._say(told, "rewind", text=text)
        return rest or ""

    def _drop(self, told: Told) -> None:
        del self._told[told.node.branch.id]
        rest = "" if told.finish is not None else self._rest(told)
        self._say(told, "drop", text=rest, reason=told.node.ended)

    def _say(self, told: Told, kind: EventKind, *, at: int | None = None, **what: Any) -> None:
        at = told.length - told.node.branch.num_prompt if at is None else at
        self._tell(Event(kind, told.number, at=at, **what))
