"""Events played back: the tree that somebody who only hears them sees."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ramify.core.events import Event
from ramify.core.protocols import Codec
from ramify.engine.ending import text_of
from ramify.engine.session import Session


@dataclass
class Heard:
    """What is known of a branch."""

    parent: int | None
    tokens: list[int]
    text: str
    drafted: list[bool] = field(default_factory=list)
    score: float | None = None
    end: str | None = None
    dropped: str | None = None


def replay(events: Sequence[Event]) -> list[Heard]:
    """The branches that events tell of, in the order of their numbers. Every event is held to what `Event` says."""
    heard = dict[int, Heard]()
    for event in events:
        if event.kind == "fork":
            assert event.branch not in heard
            parent = None if event.parent is None else heard[event.parent]
            assert event.at == 0 if parent is None else event.at <= len(parent.tokens)
            tokens, drafted = ([], []) if parent is None else (parent.tokens[: event.at], parent.drafted[: event.at])
            heard[event.branch] = Heard(event.parent, tokens, event.text, drafted)
            continue
        branch = heard[event.branch]
        assert branch.dropped is None, "nothing happens to what was dropped"
        match event.kind:
            case "advance":
                assert branch.end is None and event.tokens
                branch.tokens += event.tokens
                branch.drafted += event.drafted
                branch.text += event.text
                assert len(branch.drafted) == len(branch.tokens)
            case "rewind":
                assert event.at <= len(branch.tokens)
                del branch.tokens[event.at :], branch.drafted[event.at :]
                branch.text, branch.end = event.text, None
            case "score":
                branch.score = event.score
                continue  # `at` is where it stood when it was scored
            case "end":
                assert branch.end is None
                branch.end, branch.text = event.reason, branch.text + event.text
            case "drop":
                branch.dropped, branch.text = event.reason, branch.text + event.text
        assert event.at == len(branch.tokens)
    return [heard[number] for number in sorted(heard)]


def check_replay(events: Sequence[Event], session: Session, codec: Codec) -> None:
    """What was heard is the session's tree: tokens, texts, scores, ends, and who comes from whom."""
    heard = replay(events)
    nodes = sorted(session.tree.values(), key=lambda node: node.branch.id)
    numbers = {node.branch.id: i for i, node in enumerate(nodes)}
    assert len(heard) == len(nodes)
    for mine, node in zip(heard, nodes, strict=True):
        branch = node.branch
        assert mine.tokens == branch.generated
        assert mine.text == text_of(branch, codec)
        assert mine.parent == numbers.get(branch.parent or 0)
        assert mine.score == (None if node.score == float("-inf") else node.score)
        assert mine.end == branch.finish
        assert mine.dropped == node.ended
        assert mine.drafted == [branch.num_prompt + i in branch.drafted for i in range(branch.num_generated)]
