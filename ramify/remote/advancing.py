"""Advance: every branch to its goal, in as few requests as the budget allows, all of them at the same time.

Siblings that stand at the same place are one request of several choices, where the server gives different ones and
says which tokens each drew. A budget of tokens is shared out evenly before the requests; what some did not need, the
others get in a next round.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from ramify.core.errors import Incompatible
from ramify.core.types import Branch
from ramify.core.wants import Finish, Marker, Tokens, Until
from ramify.remote.answers import Drawn
from ramify.remote.books import Books
from ramify.remote.purse import Purse
from ramify.remote.server import Server

T = TypeVar("T")


async def at_once(acts: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All of them side by side. The first error ends the others and is raised."""
    tasks = [asyncio.ensure_future(act) for act in acts]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Advancing:
    """Draws for one run."""

    def __init__(self, server: Server, books: Books, purse: Purse) -> None:
        self.server, self.books, self.purse = server, books, purse

    async def advance(self, branches: Sequence[Branch], until: Until, room: int = 0) -> int:
        """As far as `until` says (`room` tokens where it is the room); returns the most that any grew by."""
        goals = {b: _goal(b, until, room) for b in branches if not b.done}
        self._refuse_going_on(goals, until)
        starts = {b: len(b.tokens) for b in goals}
        await self._count_prompts(goals)
        markers = until.texts if isinstance(until, Marker) else ()
        met = set[Branch]()
        while open_ := [b for b in goals if not b.done and b not in met and len(b.tokens) < goals[b]]:
            for branch in filter(self._is_closed, open_):  # a budget gave it less than it was to have
                self.books.finish(branch, "budget")
            open_ = [b for b in open_ if not b.done]
            granted = self.purse.grants([goals[b] - len(b.tokens) for b in open_])
            if granted is None:
                for branch in open_:
                    self.books.finish(branch, "budget")
                break
            batches = self._batches(dict(zip(open_, granted, strict=True)), bool(markers))
            for some in await at_once([self._draw(batch, asked, markers) for batch, asked in batches]):
                met |= some
        return max((len(b.tokens) - start for b, start in starts.items()), default=0)

    def _is_closed(self, branch: Branch) -> bool:
        """Whether the server cannot go on from where a branch stands."""
        chat = self.books.written[branch.id].source.wire == "chat"
        return chat and branch.num_generated > 0 and not self.server.able.continues

    def _refuse_going_on(self, branches: Iterable[Branch], until: Until) -> None:
        """Steps of a chat whose answers cannot be gone on from are refused before the first of them."""
        able = self.server.able
        for branch in branches:
            chat = self.books.written[branch.id].source.wire == "chat" and not able.continues
            if chat and (branch.num_generated or not isinstance(until, Finish)):
                remedy = "It does not go on from an unfinished answer. Give a text as prompt, or declare continues."
                raise Incompatible("a chat written step by step", f"this server ({able.kind})", remedy)

    async def _count_prompts(self, branches: Iterable[Branch]) -> None:
        """Of a server whose streams count nothing, asked beside them, where it can be."""
        for branch in branches:
            source = self.books.written[branch.id].source
            uncounted = source.wire != "ids" and not self.server.able.stream_usage
            if uncounted and not self.books.is_noted(source):
                self.books.note_prompt(source, await self.server.count(source, self.books.ledger.server))

    def _batches(self, asked: dict[Branch, int], stepwise: bool) -> list[tuple[list[Branch], int]]:
        """Branches that one request may draw for, and for how many tokens."""
        able, most = self.server.able, self.server.able.choices
        if stepwise or self.purse.deadline is not None or not (able.ids or able.logprobs):
            most = 1
        alike = dict[Any, list[Branch]]()
        for branch, count in asked.items():
            written = self.books.written[branch.id]
            place = (count, id(branch.sampling), id(written.source), tuple(branch.tokens))
            alike.setdefault(place, []).append(branch)
        return [
            (group[first : first + most], asked[group[0]])
            for group in alike.values()
            for first in range(0, len(group), most)
        ]

    async def _draw(self, batch: Sequence[Branch], asked: int, markers: Sequence[str]) -> set[Branch]:
        """More of these branches; returns those that met a marker."""
        first, account = batch[0], self.books.ledger.server
        written = self.books.written[first.id]
        if markers or self.purse.deadline is not None:
            seconds = self.purse.seconds
            standing = self.books.standing(first)
            reading = self.server.read(
                first,
                written.source,
                written.text,
                asked,
                account,
                markers=markers,
                seconds=seconds,
                standing=standing,
            )
            drawn = [await reading]
        else:
            drawn = await self.server.draw(first, written.source, written.text, asked, len(batch), account)
        if not first.num_generated and drawn[0].read is not None and written.source.wire != "ids":
            self.books.note_prompt(written.source, drawn[0].read)
        for branch, each in zip(batch, drawn, strict=True):
            self._take(branch, each, asked)
        return {branch for branch, each in zip(batch, drawn, strict=True) if each.met}

    def _take(self, branch: Branch, drawn: Drawn, asked: int) -> None:
        count = self.books.grow(branch, drawn, asked)
        paid = count if drawn.usage is None else drawn.usage.completion
        self.books.ledger.generated_tokens += paid
        self.purse.give_back(asked - paid)
        if drawn.finish == "stop":
            self.books.finish(branch, "stop")
        elif len(branch.tokens) >= branch.max_length or (drawn.finish == "length" and count < asked):
            self.books.finish(branch, "length")  # by our count, or the server's context ends here
        elif drawn.cut:
            self.books.finish(branch, "budget")


def _goal(branch: Branch, until: Until, room: int) -> int:
    match until:
        case Tokens(count):
            return min(branch.max_length, len(branch.tokens) + count)
        case Marker(most=most) if most is not None:
            return min(branch.max_length, len(branch.tokens) + most)
        case Finish() | Marker():
            return branch.max_length
        case _:
            return min(branch.max_length, len(branch.tokens) + room)
