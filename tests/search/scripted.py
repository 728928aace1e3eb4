"""A search driven by hand: texts, answers and opinions are the test's, no engine is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ramify.core.types import Branch, Prompt, Selection
from ramify.core.wants import Advance, Answers, Append, Ask, Fork, PromptText, Rephrase, Score, Search, Texts, Toss
from tests.search.runs import letter
from tests.toys import prompt, toy

Opinion = Callable[[str, str, Sequence[str], str | None], list[float]]  # (text, question, choices, judge) -> logprobs
SOURCE = replace(prompt(1, 2), text="Q")


@dataclass
class Script:
    """What is drawn, in order; what is said when asked; uniform numbers tossed. `asked` and `appended` are notes."""

    texts: Sequence[str] = ()
    opinion: Opinion | None = None
    scores: Sequence[float] = ()
    toss: float = 0.5
    asked: list[str] = field(default_factory=list)
    appended: list[str] = field(default_factory=list)
    made: list[Branch] = field(default_factory=list)

    def run(self, search: Search[Selection]) -> Selection:
        """Answer every want until the search returns."""
        reply: Any = None
        try:
            while True:
                reply = self.reply(search.send(reply))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def reply(self, want: Any) -> Any:
        """What it is given."""
        match want:
            case Fork(_, n):
                self.made += [_open() for _ in range(n)]
                return self.made[-n:]
            case Advance(branches):
                for branch in branches:
                    branch.finish = "stop"
                return 1
            case Score(branches):
                return {b: self.scores[self.made.index(b)] for b in branches}
            case Texts(branches):
                return {b: self.text(b) for b in branches}
            case Answers(branches):
                return {b: letter(self.text(b)) for b in branches}
            case Append(_, text):
                return self.appended.append(text)
            case PromptText(source):
                return source.text
            case Rephrase(source, texts):
                return [replace(source, text=text) for text in texts]
            case Toss():
                return self.toss
            case Ask(sources, question, choices, by):
                shown = [s.text if isinstance(s, Prompt) else self.text(s) for s in sources]
                self.asked += [str(text) for text in shown]
                assert self.opinion is not None
                return [self.opinion(str(text), question, choices, by) for text in shown]
        raise AssertionError(want)

    def text(self, branch: Branch) -> str:
        """The text of a branch, by its number."""
        return self.texts[self.made.index(branch)] if self.texts else ""


def _open() -> Branch:
    branch: Branch = toy().open(prompt(1, 2))
    return branch
