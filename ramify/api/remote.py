"""The same searches against a server: `connect` instead of `load`.

there = ramify.connect("http://127.0.0.1:8000/v1")
out = there.search("Tom has 12 apples ...", "best-of-n", n=16, reward=my_checker, max_tokens=200)
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import finalize

from ramify.api.choosing import Choosing
from ramify.api.lm import Text, seed_of
from ramify.core.errors import BadInput, Incompatible, UnknownName
from ramify.core.protocols import AnyReward, Combined, Judged, Method
from ramify.core.registry import lookup, names
from ramify.core.results import Result
from ramify.core.sampling import Sampling
from ramify.core.types import Budget, Prompt
from ramify.remote.capabilities import Capabilities
from ramify.remote.driver import Run, run_all
from ramify.remote.loop import Loop
from ramify.remote.patience import Patience
from ramify.remote.probing import probed
from ramify.remote.refusals import refuse_method
from ramify.remote.requests import Source, refuse
from ramify.remote.results import result_of
from ramify.remote.scoring import PREFIX, ServerReward, refuse_reward
from ramify.remote.server import Server
from ramify.reward.checker import Checker
from ramify.reward.ensemble import weighted
from ramify.reward.logprob import MeanLogprob
from ramify.tasks import extract_answer

PATIENCE = {f.name for f in fields(Patience)}
Progress = Callable[[int, int], None]
RemoteReward = str | AnyReward | Callable[[str, str], float]


def connect(base_url: str, model: str | None = None, api_key: str | None = None, **declared: Any) -> "Remote":
    """Connect to a server with OpenAI's interface: vLLM, SGLang, llama.cpp, `ramify serve`, a hosted one.

    Args:
        base_url: up to and with "/v1".
        model: as the server names it; its first one if left out.
        api_key: sent as a bearer token.
        **declared: how the server is to be treated (any field of `ramify.remote.patience.Patience`: concurrency, rate,
            timeout, retries, ...), and what it can do (any field of `ramify.remote.capabilities.Capabilities`: kind,
            ids, logprobs, choices, context, prompt_price, ...). What is not said is found out by a few small requests.
            `transport` is one of httpx's, instead of the network.

    Raises:
        BadInput: the address or an option is wrong, or the extra `remote` is not installed. UnknownName: no such option
            or model. RemoteError: nobody answers there.
    """
    try:
        client = lookup("remote", "client")
    except ImportError as error:
        raise BadInput("connect", "this needs httpx; pip install ramify[remote]") from error
    transport = declared.pop("transport", None)
    patience = Patience(**{name: declared.pop(name) for name in sorted(PATIENCE & declared.keys())})
    loop = Loop()
    try:

        async def meet() -> Server:
            caller = client(base_url, api_key, patience, transport)
            try:
                return Server(caller, await probed(caller, model, declared))
            except BaseException:
                await caller.close()
                raise

        return Remote(loop.run(meet), loop)
    except BaseException:
        loop.close()
        raise


class Remote:
    """A server to search with. Made by `connect`; a context manager that hangs up."""

    def __init__(self, server: Server, loop: Loop) -> None:
        self._server, self._loop = server, loop
        self._choosing = Choosing({}, _no_models)
        self._hang_up = finalize(self, loop.close, server.caller.close)

    @property
    def capabilities(self) -> Capabilities:
        """What the server can do, as it was found or declared."""
        return self._server.able

    def search(self, prompt: Text, method: str = "sample", **options: Any) -> Result:
        """Run one method on one prompt.

        Args:
            prompt: text, token ids (where the server takes them), or chat messages.
            method: a name from `ramify methods`, or one with options: "best-of-n(n=4)".
            **options: the method's own; any field of `Sampling`; `reward` (a function of (prompt, text), "logprob",
                "server:NAME" where the server is ramify's, linear combinations of names, a reward object), `budget`,
                `extract`, `select`, `each`, as `LM.search` has them.

        Raises:
            Incompatible: the method, the reward or the sampling needs what the server lacks; mostly before any request.
            UnknownName, BadInput: an option is unknown, or out of range. RemoteError: the server failed for good.
            RewardError: the reward failed.
        """
        return self.search_many([prompt], method, **options)[0]

    def search_many(
        self,
        prompts: Sequence[Text],
        method: str = "sample",
        *,
        reward: RemoteReward | Sequence[RemoteReward] | None = None,
        budget: Budget | None = None,
        seed: int | None = None,
        extract: Callable[[str], Any] = extract_answer,
        progress: Progress | None = None,
        **options: Any,
    ) -> list[Result]:
        """Run one method on many prompts, all at the same time; results in the prompts' order.

        Prompt i of seed s gives what `search(prompt, seed=s + i)` gives. `reward` may be one for all or a list, one
        each. The first error is raised after all others have ended.
        """
        if isinstance(prompts, str) or not isinstance(prompts, Sequence):
            raise BadInput("prompts", f"a list of prompts is expected, not {prompts!r}; `search` takes one")
        chosen, sampling, own = self._chosen(method, options)
        judges = self._rewards_for(chosen, reward, len(prompts))
        if any(judge is not None and judge.needs_logprobs for judge in judges) and sampling.logprobs is None:
            sampling = replace(sampling, logprobs=0)
        refuse(sampling, self.capabilities)
        budget, seed, over = self._budget(chosen, budget, own, sampling), seed_of(seed), [0]
        runs = [Run(self._server, reward=judge, budget=budget, extract=extract) for judge in judges]

        def note() -> None:
            over[0] += 1
            if progress is not None:
                progress(over[0], len(runs))

        async def everything() -> list[Any]:
            told = [
                await self._prompt(run, text, sampling, seed + i)
                for i, (run, text) in enumerate(zip(runs, prompts, strict=True))
            ]
            return await run_all([(run, chosen.run(p, **own)) for run, p in zip(runs, told, strict=True)], note)

        ended = self._loop.run(everything)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        return [result_of(run, each, method, seed + i) for i, (run, each) in enumerate(zip(runs, ended, strict=True))]

    def close(self) -> None:
        """Hang up. A second time does nothing."""
        self._hang_up()

    def __enter__(self) -> "Remote":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _chosen(self, method: str, options: Mapping[str, Any]) -> tuple[Method, Sampling, dict[str, Any]]:
        if options.get("guide") is not None:
            remedy = "Its models would have to read what the server draws from; leave the guide out."
            raise Incompatible("guide", "a remote server", remedy)
        wishes = {name: value for name, value in options.items() if name != "guide"}
        chosen, sampling, own = self._choosing(method, wishes)
        refuse_method(chosen, own)
        return chosen, sampling, own

    def _rewards_for(
        self, method: Method, wish: RemoteReward | Sequence[RemoteReward] | None, count: int
    ) -> list[AnyReward | None]:
        if wish is None:
            if method.uses_reward:
                raise BadInput(
                    "reward", f"{method.name} ranks by one: a function of (prompt, text), 'logprob' or 'server:NAME'"
                )
            return [None] * count
        wishes = [wish] * count if isinstance(wish, str) or not isinstance(wish, Sequence) else list(wish)
        if len(wishes) != count:
            raise BadInput("reward", f"{len(wishes)} rewards for {count} prompts")
        found = [reward_of(each) for each in wishes]
        for each in found:
            refuse_reward(each, self.capabilities)
        return list(found)

    def _budget(self, method: Method, budget: Budget | None, own: Mapping[str, Any], sampling: Sampling) -> Budget:
        """A method that fills its room needs to know how much that is: half of what all candidates would take."""
        budget = Budget() if budget is None else budget
        if not isinstance(budget, Budget):
            raise BadInput("budget", f"ramify.Budget(tokens=..., pages=...) is expected, not {budget!r}")
        if budget.pages is not None and not method.uses_room:
            filling = [name for name in names("method") if lookup("method", name).uses_room]
            raise Incompatible("budget.pages", method.name, f"Methods that fill their pages: {', '.join(filling)}.")
        if method.uses_room and budget.pages is None:
            if sampling.max_tokens is None:
                raise BadInput("budget.pages", f"{method.name} fills its pages; give budget=Budget(pages=...)")
            pages = own.get("n", 1) * sampling.max_tokens / 2 / self.capabilities.page_size
            return replace(budget, pages=max(1, ceil(pages)))
        return budget

    async def _prompt(self, run: Run, text: Text, sampling: Sampling, seed: int) -> Prompt:
        """A prompt on the best wire that the server has."""
        able = self.capabilities
        if isinstance(text, str):
            if able.ids:
                ids = await self._server.tokenize({"prompt": text, "add_special_tokens": True}, run.ledger.server)
                return Prompt(tuple(ids), sampling, seed, text=text)
            if not able.completions:
                raise Incompatible("a text to go on from", "a server of chats only", "Give messages: role and content.")
            if not text:
                raise BadInput("prompt", "it is empty; give some text")
            return Prompt(run.know(Source("text", text)), sampling, seed, text=text)
        if isinstance(text, bytes) or not isinstance(text, Sequence) or not text:
            raise BadInput("prompt", f"a text, token ids, or chat messages are expected, not {text!r}")
        if all(isinstance(message, Mapping) for message in text):
            return await self._chat(run, text, sampling, seed)  # type: ignore[arg-type]
        if not all(isinstance(token, int) and not isinstance(token, bool) for token in text):
            raise BadInput("prompt", "a text, token ids, or chat messages (dicts with role and content) are expected")
        if not able.ids:
            raise Incompatible("a prompt of token ids", f"this server ({able.kind})", "It takes texts; give one.")
        return Prompt(tuple(text), sampling, seed)  # type: ignore[arg-type]

    async def _chat(self, run: Run, messages: Sequence[Mapping[str, Any]], sampling: Sampling, seed: int) -> Prompt:
        if self.capabilities.ids:
            told = {"messages": [dict(message) for message in messages], "add_generation_prompt": True}
            ids = await self._server.tokenize(told, run.ledger.server)
            run.know_chat(ids, messages)
            return Prompt(tuple(ids), sampling, seed)
        if not self.capabilities.chat:
            raise Incompatible("chat messages", f"this server ({self.capabilities.kind})", "Give a text.")
        plain = tuple(dict(json.loads(json.dumps(message))) for message in messages)
        return Prompt(run.know(Source("chat", messages=plain)), sampling, seed)


def reward_of(wish: RemoteReward) -> AnyReward:
    """The reward behind a function, a name, a linear combination of names, or itself.

    Raises:
        UnknownName: it is no name that a server can score, or that needs no model. BadInput: it is no reward.
    """
    if isinstance(wish, str):
        return _named(wish)
    if isinstance(wish, Combined | Judged) or (hasattr(wish, "partial") and hasattr(wish, "final")):
        return wish  # type: ignore[return-value]
    if callable(wish):
        return Checker(wish)
    raise BadInput("reward", f"{wish!r} is neither a name nor a function of (prompt, text)")


def _named(name: str) -> AnyReward:
    if "+" in name or "*" in name:
        parts = []
        for term in name.split("+"):
            weight, _, each = term.strip().rpartition("*")
            parts.append((_weight(weight), _named(each.strip())))
        return weighted(name, parts)
    if name == "logprob":
        return MeanLogprob()
    if name.startswith(PREFIX) and len(name) > len(PREFIX):
        return ServerReward(name.removeprefix(PREFIX))
    raise UnknownName("reward", name, ("logprob", "server:NAME", "a function of (prompt, text)"))


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        raise BadInput("reward", f"{text!r} is no weight") from None


def _no_models(wish: str | Path, field: str) -> str:
    remedy = f"{str(wish)!r} would have to read or write in this process. Run it with ramify.load()."
    raise Incompatible(field, "a remote server", remedy)
