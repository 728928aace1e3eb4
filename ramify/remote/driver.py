"""Runs searches against a server: answers what they yield.

Each search is a task of its own; the requests of all of them share the client's limits. What a search draws depends on
its seed and on the server alone: every request's seed is derived from the branch's address and the place in its text.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from ramify.core.errors import BadInput, Incompatible
from ramify.core.ledger import Ledger
from ramify.core.protocols import AnyReward, Extract
from ramify.core.random import address_at, uniform
from ramify.core.types import Branch, Budget, Prompt, Selection
from ramify.core.wants import (
    Advance,
    Answers,
    Append,
    Drop,
    Fork,
    PromptText,
    Rephrase,
    Room,
    Score,
    Search,
    Texts,
    Together,
    Toss,
    Truncate,
    Want,
)
from ramify.remote.advancing import Advancing, at_once
from ramify.remote.books import Books
from ramify.remote.purse import Purse, refuse_budget
from ramify.remote.refusals import lacking
from ramify.remote.requests import Source, refuse
from ramify.remote.room import room
from ramify.remote.scoring import Scoring
from ramify.remote.server import Server

UNKNOWN_CONTEXT = 1 << 30
TossOf = Callable[[int, Sequence[int], Sequence[float]], float]


def addressed_toss(address: int, key: Sequence[int], cuts: Sequence[float]) -> float:
    """The uniform that belongs to (address, key)."""
    for part in key:
        address = address_at(address, part)
    return uniform(address, 0, "toss")


@dataclass(eq=False)
class Frame:
    """One search of a run: the branches that are its own, or of searches that it ran, and its share of the pages."""

    pages: int | None
    parent: "Frame | None" = None
    branches: dict[int, Branch] = field(default_factory=dict)

    def adopt(self, branches: Iterable[Branch]) -> None:
        """Its own, and its ancestors'."""
        for branch in branches:
            self.branches[branch.id] = branch
        if self.parent is not None:
            self.parent.adopt(branches)

    def disown(self, branch: Branch) -> None:
        """It was dropped."""
        self.branches.pop(branch.id, None)
        if self.parent is not None:
            self.parent.disown(branch)

    def own(self, branches: Iterable[Branch]) -> None:
        """Refuse branches that are not its own, or not any more.

        Raises:
            BadInput: one of them was dropped, or is another search's.
        """
        for branch in branches:
            if self.branches.get(branch.id) is not branch:
                raise BadInput("branch", f"{branch.id} was dropped, or is another search's; want what is alive")


class Run:
    """One search that was submitted, with those that it runs: one ledger, one tree, one budget.

    Args:
        toss: how a uniform is drawn (tests replace it).
    """

    def __init__(
        self,
        server: Server,
        *,
        reward: AnyReward | None = None,
        budget: Budget | None = None,
        extract: Extract = lambda text: None,
        toss: TossOf = addressed_toss,
    ) -> None:
        self.budget = budget or Budget()
        refuse_budget(self.budget)
        self.server, self.reward, self.extract, self._toss = server, reward, extract, toss
        self.ledger = Ledger()
        self.books = Books(self.ledger)
        self.purse = Purse.of(self.budget)
        self._advancing = Advancing(server, self.books, self.purse)
        self._scoring = Scoring(server, self.books)
        self._sources: dict[tuple[int, ...], Source] = {}
        self._forked: list[tuple[Prompt, Branch]] = []
        self._texts: dict[int, str] = {}

    def know(self, source: Source) -> tuple[int, ...]:
        """The tokens that stand for a text or for messages on a wire without token ids."""
        name = source.text if source.wire == "text" else repr(source.messages)
        tokens = (self.books.words(f"{source.wire} {name}"),)
        self._sources[tokens] = source
        return tokens

    def know_chat(self, tokens: Sequence[int], messages: Sequence[Mapping[str, Any]]) -> None:
        """What token ids were made of, for rewards that want to know."""
        self._sources[tuple(tokens)] = Source("ids", messages=tuple(messages))

    async def run(self, search: Search[Selection]) -> Selection:
        """The search, to its end.

        Raises:
            Incompatible: it wants what the server lacks. RemoteError: the server failed. And what the search raises.
        """
        started, frame = perf_counter(), Frame(self.budget.pages)
        self.purse.deadline = Purse.of(self.budget).deadline
        try:
            return await self._drive(search, frame)
        finally:
            for branch in list(frame.branches.values()):
                self.books.drop(branch, rejected=False)
            self._close(perf_counter() - started)

    def _close(self, seconds: float) -> None:
        ledger, told = self.ledger, self.ledger.server
        ledger.seconds = seconds
        account = ledger.model("target")
        account.passes, account.tokens = told.requests, told.prompt_tokens - told.cached_tokens + told.completion_tokens
        account.recomputed = max(0, account.tokens - ledger.prompt_tokens - told.completion_tokens)

    async def _drive(self, search: Search[Selection], frame: Frame) -> Selection:
        reply: Any = None
        try:
            while True:
                try:
                    want = search.send(reply)
                except StopIteration as end:
                    if not isinstance(end.value, Selection):
                        raise BadInput("search", f"it returned {end.value!r}, which is no Selection") from None
                    return end.value
                reply = await self._answer(frame, want)
        finally:
            search.close()

    async def _answer(self, frame: Frame, want: Want) -> Any:
        if reason := lacking(want):
            raise Incompatible(f"the want {type(want).__name__}", "a remote server", reason)
        match want:
            case Advance(branches, until):
                frame.own(branches)
                return await self._advancing.advance(branches, until, self._room(frame, branches, until))
            case Score(branches):
                frame.own(branches)
                return await self._score(branches)
            case Together(searches):
                return await self._together(frame, searches)
            case Fork(source, n, temperature):
                return await self._fork(frame, source, n, temperature)
            case Truncate(branch, length):
                frame.own([branch])
                return await self._truncate(branch, length)
            case Drop(branches):
                return self._drop(frame, branches)
            case Append(branch, text):
                frame.own([branch])
                return await self._append(branch, text)
            case Answers(branches):
                return {b: self.extract(self.text_of(b)) for b in branches}
            case Texts(branches):
                return {b: self.text_of(b) for b in branches}
            case PromptText(prompt):
                return await self._prompt_text(prompt)
            case Rephrase(prompt, texts):
                return [await self._rephrased(prompt, text, i) for i, text in enumerate(texts)]
            case Toss(source, key, cuts):
                return self._toss(source.address, key, cuts)
            case other:
                raise BadInput("search", f"it yielded {other!r}, which is no want")

    def text_of(self, branch: Branch) -> str:
        """The generated text, without what ended it."""
        return self.books.written[branch.id].text

    def _room(self, frame: Frame, branches: Sequence[Branch], until: Any) -> int:
        if not isinstance(until, Room):
            return 0
        if frame.pages is None:
            raise BadInput("budget.pages", "this method fills its pages; give budget=Budget(pages=...)")
        live, family = [b for b in branches if not b.done], {id_: node.branch for id_, node in self.books.tree.items()}
        return room(live, frame.branches.values(), family, frame.pages, self.server.able.page_size)

    async def _score(self, branches: Sequence[Branch]) -> dict[Branch, float]:
        prompts = [await self._prompt_of(b) for b in branches]
        scores = dict(zip(branches, await self._scoring.score(branches, prompts, self.reward), strict=True))
        for branch, score in scores.items():
            self.books.tree[branch.id].score = score
        return scores

    async def _together(self, frame: Frame, searches: Sequence[Search[Any]]) -> list[Any]:
        share = frame.pages if frame.pages is None else max(1, frame.pages // max(1, len(searches)))
        return await at_once([self._drive(search, Frame(share, frame)) for search in searches])

    async def _fork(self, frame: Frame, source: Prompt | Branch, n: int, temperature: float | None) -> list[Branch]:
        if isinstance(source, Branch):
            frame.own([source])
        origin = source if isinstance(source, Branch) else self._root(source)
        drawn_at = origin.sampling.temperature if temperature is None else temperature
        if n > 1 and drawn_at > 0 and not self.server.able.varied:
            remedy = "It gives the same text whatever the seed: n candidates would be one. Take n=1, or temperature=0."
            raise Incompatible(f"{n} different texts", f"this server ({self.server.able.kind})", remedy)
        children = self.books.fork(origin, n, temperature)
        frame.adopt(children)
        return children

    def _root(self, prompt: Prompt) -> Branch:
        """The branch at a prompt's end; forking the prompt again goes on where the last fork of it stopped."""
        for known, branch in self._forked:
            if known == prompt:
                return branch
        refuse(prompt.sampling, self.server.able)
        if prompt.guide is not None:
            remedy = "Its models would have to read what the server draws from; leave the guide out."
            raise Incompatible(f"guide {prompt.guide.name!r}", "a remote server", remedy)
        source = self._source(prompt)
        branch = self.books.open(prompt, source, prompt.tokens, self._limit(prompt, source))
        self._forked.append((prompt, branch))
        if source.wire == "ids" and not any(known.tokens == prompt.tokens for known, _ in self._forked[:-1]):
            self.ledger.prompt_tokens += len(prompt.tokens)
        return branch

    def _source(self, prompt: Prompt) -> Source:
        return self._sources.setdefault(prompt.tokens, Source("ids", prompt.text or ""))

    def _limit(self, prompt: Prompt, source: Source) -> int:
        context = self.server.able.context
        if source.wire == "ids" and context is not None:
            return context
        if prompt.sampling.max_tokens is None:
            raise BadInput(
                "max_tokens", "how much room the server has behind this prompt is not known; give max_tokens"
            )
        return UNKNOWN_CONTEXT

    async def _truncate(self, branch: Branch, length: int) -> None:
        torn = self.books.cut(branch, length)
        if torn is None:
            return
        begin, (_, text) = torn
        left = branch.tokens[begin:]
        kept = await self.server.detokenize(left, self.ledger.server)
        if not kept.startswith(" ") and text.startswith(" "):  # of a text's first word, some tokenizers strip it
            kept = text[: len(text) - len(text.lstrip(" "))] + kept
        self.books.add(branch, [(len(left), kept)])

    def _drop(self, frame: Frame, branches: Iterable[Branch]) -> None:
        own = [b for b in branches if b.alive]
        frame.own(own)
        for branch in own:
            self.books.drop(branch, rejected=True)
            frame.disown(branch)

    async def _append(self, branch: Branch, text: str) -> int:
        if branch.done:
            raise BadInput("append", f"branch {branch.id} is done; nothing stands behind it")
        tokens = [self.books.words(text)] if text else []
        if self.books.written[branch.id].source.wire == "ids" and text:
            tokens = await self._encode_after(text)
        if len(branch.tokens) + len(tokens) >= branch.max_length:
            raise BadInput("append", f"{len(tokens)} tokens more are too many for branch {branch.id}")
        branch.tokens += tokens
        self.books.add(branch, [(len(tokens), text)] if text else [])
        return len(tokens)

    async def _encode_after(self, text: str) -> list[int]:
        """Token ids of a text that stands behind another, so that no space is put before its first word."""
        account, told = self.ledger.server, {"add_special_tokens": False}
        newline = await self.server.tokenize({"prompt": "\n"} | told, account)
        ids = await self.server.tokenize({"prompt": "\n" + text} | told, account)
        if ids[: len(newline)] == newline:
            return ids[len(newline) :]
        return await self.server.tokenize({"prompt": text} | told, account)

    async def _prompt_of(self, branch: Branch) -> str:
        source = self.books.written[branch.id].source
        if source.messages:
            return "\n".join(str(message.get("content") or "") for message in source.messages)
        if source.text or source.wire != "ids":
            return source.text
        return await self._decoded(tuple(branch.tokens[: branch.num_prompt]))

    async def _prompt_text(self, prompt: Prompt) -> str:
        if prompt.text is not None:
            return prompt.text
        source = self._source(prompt)
        if source.messages:
            return "\n".join(str(message.get("content") or "") for message in source.messages)
        return await self._decoded(prompt.tokens)

    async def _decoded(self, tokens: tuple[int, ...]) -> str:
        key = hash(tokens)
        if key not in self._texts:
            self._texts[key] = await self.server.detokenize(tokens, self.ledger.server)
        return self._texts[key]

    async def _rephrased(self, prompt: Prompt, text: str, index: int) -> Prompt:
        if self.server.able.ids:
            told = {"prompt": text, "add_special_tokens": True}
            tokens = tuple(await self.server.tokenize(told, self.ledger.server))
        elif self._source(prompt).wire == "chat":
            raise Incompatible(
                "a prompt of other words", "a server of chats only", "Nobody knows whose words they are."
            )
        else:
            tokens = self.know(Source("text", text))
        request = address_at(address_at(prompt.address, len(text)), index)
        for byte in text.encode():  # other texts of another want are drawn from independently
            request = address_at(request, byte)
        return replace(prompt, tokens=tokens, text=text, request=request)


async def run_all(runs: Sequence[tuple[Run, Search[Selection]]], over: Callable[[], None]) -> list[Any]:
    """Every search to its end; what each returned or raised, in their order. `over` is called behind each."""

    async def one(run: Run, search: Search[Selection]) -> Selection:
        try:
            return await run.run(search)
        finally:
            over()

    tasks: list[Awaitable[Selection]] = [asyncio.ensure_future(one(run, search)) for run, search in runs]
    return list(await asyncio.gather(*tasks, return_exceptions=True))
