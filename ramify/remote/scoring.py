"""Scores of branches: Python functions and log-probabilities here, a server's own rewards there.

What an engine reads with a reward model of its own, nobody can read here: such rewards are refused.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ramify.core.errors import BadInput, Incompatible, RewardError
from ramify.core.protocols import AnyReward, Combined, Judged, Reward, View
from ramify.core.types import Branch
from ramify.remote.books import Books
from ramify.remote.capabilities import Capabilities
from ramify.remote.server import Server

PREFIX = "server:"


@dataclass(frozen=True)
class ServerReward:
    """A reward that the server knows by this name, scored by its /v1/score: raw, on texts that may be unfinished."""

    served: str
    model: str | None = None
    needs_logprobs: bool = False

    @property
    def name(self) -> str:
        """As tables and ledgers call it."""
        return PREFIX + self.served

    def partial(self, view: View) -> float:
        """Only the server can."""
        raise BadInput("reward", f"{self.name} is scored by a server: ramify.connect(...).search")

    def final(self, view: View) -> float:
        """Only the server can."""
        return self.partial(view)


def refuse_reward(reward: AnyReward, able: Capabilities) -> None:
    """Refuse what cannot be scored here or there.

    Raises:
        Incompatible: it reads a model of an engine. BadInput: the server does not know it.
    """
    if isinstance(reward, Combined):
        for part in reward.parts:
            refuse_reward(part, able)
    elif isinstance(reward, ServerReward):
        if reward.served not in able.rewards:
            known = ", ".join(PREFIX + name for name in able.rewards) or "none: it has no /v1/score of ramify's"
            raise BadInput("reward", f"{reward.name!r} is not among the server's; known: {known}")
    elif isinstance(reward, Judged) or reward.model is not None:
        remedy = "It reads a model in this process; take a function of (prompt, text), 'logprob' or 'server:NAME'."
        raise Incompatible(f"reward {reward.name!r}", "a remote server", remedy)
    elif reward.needs_logprobs and not able.logprobs:
        remedy = "It gives no log-probabilities; take a function of (prompt, text)."
        raise Incompatible(f"reward {reward.name!r}", f"this server ({able.kind})", remedy)


class Scoring:
    """Scores for one run; `prompt_of` gives the text of a branch's prompt."""

    def __init__(self, server: Server, books: Books) -> None:
        self.server, self.books = server, books

    async def score(self, branches: Sequence[Branch], prompts: Sequence[str], reward: AnyReward | None) -> list[float]:
        """The reward of each branch: `final` for those that are done, `partial` for the others.

        Args:
            prompts: the text of each branch's prompt.

        Raises:
            BadInput: the run has no reward. RewardError: it raised, or returned no number. RemoteError: see `Caller`.
        """
        match reward:
            case None:
                raise BadInput("reward", "this method asks for scores; give a function of (prompt, text)")
            case Combined(parts=parts):
                scored = [await self.score(branches, prompts, part) for part in parts]
                rows = list(zip(*scored, strict=True))
                return [_number(reward.name, reward.combine, [row]) for row in rows]
            case ServerReward():
                return await self._served(branches, prompts, reward)
            case Judged():
                raise BadInput("reward", f"{reward.name!r} asks a model")
            case _:
                return [self._own(b, prompt, reward) for b, prompt in zip(branches, prompts, strict=True)]

    def _own(self, branch: Branch, prompt: str, reward: Reward) -> float:
        view = View(branch, prompt, self.books.written[branch.id].text)
        return _number(reward.name, reward.final if branch.done else reward.partial, [view])

    async def _served(self, branches: Sequence[Branch], prompts: Sequence[str], reward: ServerReward) -> list[float]:
        """Texts of one prompt that end alike are one request."""
        groups = dict[tuple[int, bool], list[int]]()
        for at, branch in enumerate(branches):
            ended = branch.finish == "stop" and not branch.sampling.stop  # a stop text stands where the end token would
            groups.setdefault((id(self.books.written[branch.id].source), ended), []).append(at)
        scores = [0.0] * len(branches)
        for (_, ended), members in groups.items():
            source = self.books.written[branches[members[0]].id].source
            prompt: Any = [dict(message) for message in source.messages] or prompts[members[0]]
            texts = [self.books.written[branches[at].id].text for at in members]
            account = self.books.ledger.server
            found, read = await self.server.score(reward.served, prompt, texts, account, ended=ended)
            self.books.ledger.model(reward.name, "reward").tokens += read
            for at, score in zip(members, found, strict=True):
                scores[at] = _number(reward.name, lambda s: s, [score])
        return scores


def _number(name: str, make: Any, arguments: Sequence[Any]) -> float:
    try:
        score = make(*arguments)
    except Exception as error:
        raise RewardError(f"reward {name!r} raised {type(error).__name__}: {error}") from error
    number = float(score) if isinstance(score, Real) else math.nan
    if not (math.isfinite(number) or number == -math.inf):
        raise RewardError(
            f"reward {name!r} returned {score!r}; a finite number is expected, or -inf for what cannot be"
        )
    return number
