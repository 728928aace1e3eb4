"""A server as a run sees it: requests for more text, its tokenizer, its rewards."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ramify.core.errors import Incompatible, RemoteError
from ramify.core.ledger import ServerAccount
from ramify.core.types import Branch
from ramify.remote.answers import Drawn, Piece, Usage, read_answer, read_usage
from ramify.remote.calls import Caller, Failed
from ramify.remote.capabilities import Capabilities
from ramify.remote.kinds import kind_of
from ramify.remote.reading import Reading, cut_behind, meets
from ramify.remote.requests import PATHS, Source, body_of

MILLION = 1e6


class Server:
    """One server, for all runs. Every call bills the run's account."""

    def __init__(self, caller: Caller, able: Capabilities) -> None:
        self.caller, self.able = caller, able

    async def draw(
        self, branch: Branch, source: Source, written: str, asked: int, n: int, account: ServerAccount
    ) -> list[Drawn]:
        """`asked` more tokens of a branch, n times: one request, as long as the server gives as many texts.

        Raises:
            RemoteError: see `Caller`.
        """
        chat, found = source.wire == "chat", list[Drawn]()
        body = body_of(branch, source, written, asked, n, self.able)

        def read(answer: Any) -> list[Drawn]:
            drawn = read_answer(answer, chat, n)
            self._bill(account, read_usage(answer), drawn)
            return drawn

        found = await self.caller.post(PATHS[source.wire], body, account, read)
        if len(found) < n:
            raise RemoteError(f"{n} texts were asked for, {len(found)} came; connect with choices=1")
        return found

    async def read(
        self,
        branch: Branch,
        source: Source,
        written: str,
        asked: int,
        account: ServerAccount,
        *,
        markers: Sequence[str] = (),
        seconds: float | None = None,
        standing: int = 0,
    ) -> Drawn:
        """`asked` more tokens of a branch, as far as a marker or the time lets them.

        Args:
            standing: tokens that the server reads first, for the bill, where it does not say.

        Raises:
            RemoteError: see `Caller`. Incompatible: the server neither streams nor says where its tokens end.
        """
        if not self.able.streams:
            return await self._cut(branch, source, written, asked, account, markers)
        body = body_of(branch, source, written, asked, 1, self.able) | {"stream": True}
        if self.able.stream_usage:
            body["stream_options"] = {"include_usage": True}
        tries = list[Reading]()

        def begin() -> Reading:
            tries.append(Reading(source.wire == "chat", markers, self.able.stream_usage))
            return tries[-1]

        cut = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.caller.stream(PATHS[source.wire], body, account, begin)
                cut = False
        drawn = tries[-1].drawn if tries else Drawn()
        drawn.cut = cut and drawn.finish is None
        if source.wire == "ids" and drawn.met:
            drawn = await self._settled(drawn, markers, bool(branch.sampling.stop), account)
        self._bill(account, drawn.usage, [drawn], standing)
        return drawn

    async def _cut(
        self, branch: Branch, source: Source, written: str, asked: int, account: ServerAccount, markers: Sequence[str]
    ) -> Drawn:
        [drawn] = await self.draw(branch, source, written, asked, 1, account)
        kept = cut_behind(drawn, markers)
        if kept is None and drawn.ids:
            return await self._up_to_marker(drawn, drawn.ids, markers, account)
        if kept is None:
            remedy = "It neither streams nor says where its tokens end, so a step would lose text, or hold too much."
            raise Incompatible("a marker", f"this server ({self.able.kind})", remedy)
        return kept

    async def _settled(self, drawn: Drawn, markers: Sequence[str], held_back: bool, account: ServerAccount) -> Drawn:
        """Ids and text in step, and not a token behind the marker.

        A server may send several tokens in one piece, or hold text back until it knows that no stop text begins there.
        """
        last, ids = drawn.pieces[-1], drawn.ids
        if ids is None or (last.count == 1 and not held_back and _in_step(drawn)):
            return drawn
        return await self._up_to_marker(drawn, ids, markers, account)

    async def _up_to_marker(
        self, drawn: Drawn, ids: Sequence[int], markers: Sequence[str], account: ServerAccount
    ) -> Drawn:
        """As far as the first token that completes a marker, which the server's own texts of the ids tell."""
        low, high = 1, len(ids)
        while low < high:
            middle = (low + high) // 2
            met = meets(await self.detokenize(ids[:middle], account), markers)
            low, high = (low, middle) if met else (middle + 1, high)
        text = _with_lead(await self.detokenize(ids[:low], account), drawn.text)
        if low == len(ids) and drawn.finish is not None:
            return drawn
        logprobs, tops = tuple(drawn.logprobs[:low]), tuple(drawn.tops[:low])
        piece = Piece(text, tuple(ids[:low]), None, logprobs or None, tops or None)
        return Drawn([piece], drawn.usage, met=True)

    async def tokenize(self, told: Mapping[str, Any], account: ServerAccount) -> list[int]:
        """Token ids of what is told: {"prompt": text, "add_special_tokens": bool} or {"messages": [...]}."""

        def read(answer: Any) -> list[int]:
            ids = answer.get("tokens") if isinstance(answer, Mapping) else None
            if not isinstance(ids, list) or not all(isinstance(token, int) for token in ids):
                raise Failed(f"token ids that are none: {str(answer)[:80]}")
            return ids

        return await self.caller.post("../tokenize", {"model": self.able.model, **told}, account, read)

    async def count(self, source: Source, account: ServerAccount) -> int:
        """Tokens of a text prompt by the server's own route for that; 0 where it has none."""
        counter = kind_of(self.able.kind).counter
        if counter is None or source.wire != "text":
            return 0
        path, question, counted = counter

        def read(answer: Any) -> int:
            count = answer.get(counted) if isinstance(answer, Mapping) else None
            return count if isinstance(count, int) else 0

        return await self.caller.post(path, {question: source.text}, account, read)

    async def detokenize(self, ids: Sequence[int], account: ServerAccount) -> str:
        """The text of token ids."""

        def read(answer: Any) -> str:
            text = answer.get("prompt") if isinstance(answer, Mapping) else None
            if not isinstance(text, str):
                raise Failed(f"a text that is none: {str(answer)[:80]}")
            return text

        body = {"model": self.able.model, "tokens": list(ids)}
        return await self.caller.post("../detokenize", body, account, read)

    async def score(
        self, reward: str, prompt: Any, texts: Sequence[str], account: ServerAccount, *, ended: bool = False
    ) -> tuple[list[float], int]:
        """What a reward of the server says of texts behind a prompt, raw; and how many tokens it read.

        `ended` texts are read with the model's end token.
        """

        def read(answer: Any) -> tuple[list[float], int]:
            rows = answer.get("data") if isinstance(answer, Mapping) else None
            if not isinstance(rows, list) or len(rows) != len(texts):
                raise Failed(f"scores that cannot be read: {str(answer)[:80]}")
            ranked = sorted(rows, key=lambda row: row["index"])
            usage = read_usage(answer)
            return [float(row["score"]) for row in ranked], 0 if usage is None else usage.prompt

        body = {"model": reward, "prompt": prompt, "completions": list(texts), "ended": ended}
        return await self.caller.post("score", body, account, read)

    def _bill(self, account: ServerAccount, usage: Usage | None, drawn: Sequence[Drawn], standing: int = 0) -> None:
        """By the server's count; where it gives none, what was seen."""
        seen = sum(count for each in drawn for count, _ in each.segments(1 << 30))
        usage = usage or Usage(standing, seen)
        account.prompt_tokens += usage.prompt
        account.cached_tokens += usage.cached
        account.completion_tokens += usage.completion
        prompt = self.able.prompt_price * usage.prompt
        account.cost += (prompt + self.able.completion_price * usage.completion) / MILLION


def _with_lead(text: str, whole: str) -> str:
    """`text` with the space before its first word, which some tokenizers strip where a text begins."""
    return text if text.startswith(" ") else whole[: len(whole) - len(whole.lstrip(" "))] + text


def _in_step(drawn: Drawn) -> bool:
    """Whether no piece before the last kept its text back."""
    return len(drawn.pieces) < 2 or bool(drawn.pieces[-2].text) or not drawn.pieces[-2].ids
