"""The branches of a run on the client's side: what each has of text, which tokens stand for it, where it came from.

On the ids wire a branch's tokens are the server's. On the others nobody knows them: there a token stands for a stretch
of text (`Words`), counted as the server counts, and the whole prompt is one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ramify.core.errors import BadInput, Incompatible
from ramify.core.ledger import Ledger
from ramify.core.random import child_address
from ramify.core.strict import whole
from ramify.core.types import Branch, Finish, Prompt, TokenLogprob
from ramify.remote.answers import Drawn, Segment
from ramify.remote.requests import Source

MAX_BRANCHES = 65_536
NO_ID = -1  # of an alternative that the server gives as a text only


class Words:
    """Numbers for stretches of text: equal texts have equal numbers."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """The number of a text."""
        return self._known.setdefault(text, len(self._known))


@dataclass
class Written:
    """A branch's text in stretches of known numbers of tokens, and what it goes on from."""

    source: Source
    segments: list[Segment] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(text for _, text in self.segments)


@dataclass(eq=False)
class Node:
    """What a reader wants to know of a branch afterwards."""

    branch: Branch
    text: str = ""
    score: float | None = None
    ended: str = "unfinished"


class Books:
    """All branches of one run. Ids count from 1 in the order of birth; a prompt's own branch has one below 0."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.words = ledger, Words()
        self.written: dict[int, Written] = {}
        self._noted: dict[int, int] = {}
        self.tree: dict[int, Node] = {}
        self._born = self._opened = 0

    def open(self, prompt: Prompt, source: Source, tokens: Sequence[int], limit: int) -> Branch:
        """A branch at a prompt's end; forks of it are the run's.

        Args:
            limit: most tokens of prompt and text together, as far as the server's context goes.

        Raises:
            BadInput: the prompt is empty or leaves no room.
        """
        if not tokens:
            raise BadInput("prompt", "it is empty; give some text")
        if len(tokens) >= limit:
            raise BadInput("prompt", f"{len(tokens)} tokens leave no room in a context of {limit}; shorten it")
        most = prompt.sampling.max_tokens
        self._opened -= 1
        root = Branch(
            id=self._opened,
            tokens=list(tokens),
            num_prompt=len(tokens),
            address=prompt.address,
            sampling=prompt.sampling,
            rule=prompt.sampling.rule(),
            max_length=limit if most is None else min(limit, len(tokens) + most),
            ledger=self.ledger,
            parent=None,
        )
        self.written[root.id] = Written(source)
        return root

    def note_prompt(self, source: Source, tokens: int) -> None:
        """A prompt has so many tokens, by the server's count; it is billed once."""
        if id(source) not in self._noted:
            self._noted[id(source)] = tokens
            self.ledger.prompt_tokens += tokens

    def is_noted(self, source: Source) -> bool:
        """Whether a prompt's tokens were counted."""
        return id(source) in self._noted

    def standing(self, branch: Branch) -> int:
        """Tokens that the server reads before it goes on with a branch, as far as they were counted."""
        source = self.written[branch.id].source
        prompt = branch.num_prompt if source.wire == "ids" else self._noted.get(id(source), 0)
        return prompt + branch.num_generated

    def fork(self, branch: Branch, n: int, temperature: float | None) -> list[Branch]:
        """n branches that go on from where one stands, each with randomness of its own.

        Raises:
            BadInput: n is out of range.
        """
        whole("n", n, 1, MAX_BRANCHES - len(self.written))
        return [self._child(branch, temperature) for _ in range(n)]

    def _child(self, branch: Branch, temperature: float | None) -> Branch:
        self._born += 1
        child = replace(
            branch,
            id=self._born,
            tokens=branch.tokens.copy(),
            address=child_address(branch.address, branch.forks),
            forks=0,
            parent=branch.id if branch.id > 0 else None,
            forked_at=len(branch.tokens),
            logprobs=branch.logprobs.copy(),
            prompt_logprobs=[],
            notes=[],
        )
        if temperature is not None:
            child.reheat(temperature)
        branch.forks += 1
        self.ledger.forks += 1
        self.written[child.id] = replace(self.written[branch.id], segments=self.written[branch.id].segments.copy())
        self.tree[child.id] = Node(child, self.written[child.id].text)
        return child

    def grow(self, branch: Branch, drawn: Drawn, asked: int) -> int:
        """Put what was drawn behind a branch; returns how many tokens that was."""
        segments = drawn.segments(asked)
        count, ids = sum(count for count, _ in segments), drawn.ids
        if self.written[branch.id].source.wire == "ids":
            if ids is None:
                raise BadInput("ids", "the server stopped giving token ids; connect with ids=False")
            ids, count = ids[:asked], min(len(ids), asked)
        else:
            ids = [self.words(text if i == 0 else "") for size, text in segments for i in range(size)]
        if branch.sampling.logprobs is not None:
            self._note_logprobs(branch, ids, drawn)
        branch.tokens += ids
        self.add(branch, segments)
        return count

    def add(self, branch: Branch, segments: Iterable[Segment]) -> None:
        """Text that its last tokens write."""
        written = self.written[branch.id]
        written.segments += segments
        self.tree[branch.id].text = written.text

    def _note_logprobs(self, branch: Branch, ids: Sequence[int], drawn: Drawn) -> None:
        logprobs, tops = drawn.logprobs, drawn.tops or [{}] * len(ids)
        if len(logprobs) < len(ids):
            raise BadInput("logprobs", f"{len(logprobs)} log-probabilities came for {len(ids)} tokens")
        both, most = branch.sampling.logprobs_mode == "both", branch.sampling.logprobs or 0
        for token, logprob, top in zip(ids, logprobs, tops, strict=False):
            branch.logprobs.append(
                TokenLogprob(token, logprob, self._top(branch, top, most), logprob if both else None)
            )

    def _top(self, branch: Branch, top: Mapping[str, float], most: int) -> tuple[tuple[int, float], ...]:
        by_text = self.written[branch.id].source.wire != "ids"
        ranked = sorted(top.items(), key=lambda item: item[1], reverse=True)[:most]
        return tuple((self.words(text) if by_text else NO_ID, logprob) for text, logprob in ranked)

    def cut(self, branch: Branch, length: int) -> tuple[int, Segment] | None:
        """Back to its first `length` tokens. What is left of a stretch that was cut inside, and cannot be read off, is
        returned: where it begins, and the stretch as it was.

        Raises:
            BadInput: length is not between the prompt's and the branch's. Incompatible: nobody knows what is left.
        """
        whole("length", length, branch.num_prompt, len(branch.tokens))
        if length == len(branch.tokens):
            return None
        written, left, begin = self.written[branch.id], length - branch.num_prompt, branch.num_prompt
        kept, torn = list[Segment](), None
        for count, text in written.segments:
            if count > left:
                torn = (begin, (count, text)) if left else None
                break
            kept.append((count, text))
            left, begin = left - count, begin + count
        if torn is not None and written.source.wire != "ids":
            remedy = (
                f"One answer of {torn[1][0]} tokens would be cut, and the server does not say where its tokens end."
            )
            raise Incompatible("a text cut back inside an answer", "a server without token ids or texts", remedy)
        written.segments = kept
        del branch.tokens[length:], branch.logprobs[length - branch.num_prompt :]
        branch.forked_at = min(branch.forked_at, length)
        branch.finish = None
        self.tree[branch.id].text = written.text
        return torn

    def drop(self, branch: Branch, *, rejected: bool) -> None:
        """A branch nobody goes on with; its text stays known."""
        self.tree[branch.id].ended = branch.finish or ("rejected" if rejected else "unfinished")
        branch.alive = False

    def finish(self, branch: Branch, why: Finish) -> None:
        """It grows no further."""
        branch.finish = branch.finish or why
