"""Finding out what a server can do, by a handful of small requests. What the caller declares is not asked for.

    GET  models                     names, kind, context
    POST completions, n=2           several different texts, log-probabilities, token ids: asked for at once, and one
                                    by one where that was refused
    POST completions, seeds 1 1 2   whether a seed gives the same text again, and another seed another one
    POST completions, stream        whether it streams, and counts
    POST ../tokenize, ../detokenize whether prompts can go as token ids
    GET  methods                    rewards, where the server is ramify's

The texts are drawn at temperature 2, where no law is so sharp that two of them are alike by chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ramify.core.errors import BadInput, RemoteError, UnknownName
from ramify.core.ledger import ServerAccount
from ramify.remote.answers import Drawn, read_answer
from ramify.remote.calls import Caller, Json
from ramify.remote.capabilities import Capabilities, declared
from ramify.remote.kinds import kind_by_owner, kind_of
from ramify.remote.reading import Reading

PROMPT = "Once upon a time"
LENGTH = 12
CHOICES = 8  # of one request, where several are different
REFUSED = 0  # retries where an error is an answer, too


@dataclass
class Probe:
    """One server's answers. `found` are the fields of `Capabilities` that are known so far."""

    caller: Caller
    found: dict[str, Any]
    account: ServerAccount = field(default_factory=ServerAccount)
    refusal: str = ""  # the last

    async def run(self, model: str | None) -> Capabilities:
        """Everything that was not declared.

        Raises:
            RemoteError: there is no such server, or it draws nothing. UnknownName: it has no such model.
        """
        await self._models(model)
        if self._lacks("completions", "chat", "ids", "logprobs", "choices"):
            await self._ends()
        if self._lacks("seeds", "varied"):
            await self._seeds()
        if self._lacks("streams", "stream_usage"):
            await self._streams()
        if self._lacks("rewards"):
            await self._rewards()
        return Capabilities(**self.found)

    def _lacks(self, *names: str) -> bool:
        return any(name not in self.found for name in names)

    def _know(self, **facts: Any) -> None:
        """What was declared stays."""
        self.found = facts | self.found

    async def _models(self, wish: str | None) -> None:
        if wish is not None and not self._lacks("kind", "fields", "context"):
            self._know(model=wish, all_k=kind_of(self.found["kind"]).all_k)
            return
        try:
            body = await self.caller.get("models", self.account)
        except RemoteError as error:
            if wish is None or error.status is None:
                raise
            body = {}
        rows = [row for row in body.get("data", []) if isinstance(row, Mapping)] if isinstance(body, Mapping) else []
        known = {str(row.get("id")): row for row in rows}
        if wish is None and not known:
            raise BadInput("model", "the server lists no models; name one")
        if wish is not None and known and wish not in known:
            raise UnknownName("model", wish, known)
        name = next(iter(known)) if wish is None else wish
        row = known.get(name, {})
        kind = kind_of(self.found["kind"]) if "kind" in self.found else kind_by_owner(row.get("owned_by"))
        context = row.get("max_model_len")
        self._know(model=name, kind=kind.name, fields=kind.fields, all_k=kind.all_k)
        self._know(context=context if isinstance(context, int) and context > 0 else None)

    async def _ends(self) -> None:
        """Which end points there are, and what they give."""
        declared_ids = "ids" in self.found
        everything = {"n": 2, "logprobs": 1, "return_token_ids": True}
        drawn = await self._draw(everything) or []
        alone = [] if drawn else await self._draw({}) or []
        if not drawn and not alone:
            await self._chats()
            return
        self._know(completions=True, chat=True, continues=False)
        if not drawn:
            for name, value in everything.items():
                drawn_with = await self._draw({name: value}) or []
                self._read(name, drawn_with)
        else:
            for name in everything:
                self._read(name, drawn)
        if not declared_ids and self.found["ids"]:
            self.found["ids"] = await self._takes_ids()

    def _read(self, name: str, drawn: list[Drawn]) -> None:
        if name == "n":
            several = len(drawn) == 2 and drawn[0].text != drawn[1].text
            self._know(choices=CHOICES if several else 1)
        elif name == "logprobs":
            self._know(logprobs=bool(drawn) and all(bool(each.logprobs) for each in drawn))
        else:
            self._know(ids=bool(drawn) and all(bool(each.ids) for each in drawn))

    async def _chats(self) -> None:
        drawn = await self._draw({"n": 2, "logprobs": True}, chat=True) or []
        alone = drawn or await self._draw({}, chat=True) or []
        if not alone:
            why = f"it answers neither completions nor chats ({self.refusal}). Is base_url right (it ends in /v1)?"
            raise RemoteError(f"model {self.found['model']!r}: {why}")
        self._read("n", drawn)
        self._read("logprobs", drawn)
        self._know(completions=False, chat=True, continues=False, ids=False)

    async def _draw(self, more: Json, chat: bool = False, seed: int = 1) -> list[Drawn] | None:
        """Texts, or None where the request was refused."""
        body = self._body(chat, seed) | dict(more)
        try:
            path = "chat/completions" if chat else "completions"
            return await self.caller.post(
                path, body, self.account, lambda answer: read_answer(answer, chat, 2), retries=REFUSED
            )
        except RemoteError as error:
            if error.status is None or error.status in (401, 403, 429):
                raise
            self.refusal = str(error)
            return None

    def _body(self, chat: bool, seed: int) -> dict[str, Any]:
        body = {"model": self.found["model"], "max_tokens": LENGTH, "temperature": 2.0, "top_p": 1.0, "seed": seed}
        fields = self.found["fields"]
        neutral = {"top_k": self.found["all_k"], "min_p": 0.0, "repetition_penalty": 1.0}
        body |= {fields[name]: value for name, value in neutral.items() if name in fields}
        prompt: Any = [{"role": "user", "content": PROMPT}] if chat else PROMPT
        return body | {"messages" if chat else "prompt": prompt}

    async def _seeds(self) -> None:
        chat, texts = not self.found.get("completions", True), list[str]()
        for seed in (1, 1, 2):
            drawn = await self._draw({}, chat, seed)
            if drawn is None:  # no seed at all, perhaps
                self._know(seeds=False, varied=True)
                return
            texts.append(drawn[0].text)
        self._know(seeds=texts[0] == texts[1], varied=len(set(texts)) > 1)

    async def _streams(self) -> None:
        chat = not self.found.get("completions", True)
        for counted in (True, False):
            tries = list[Reading]()

            def begin(tries: list[Reading] = tries, counted: bool = counted) -> Reading:
                tries.append(Reading(chat, counted=counted))
                return tries[-1]

            body = self._body(chat, 1) | {"stream": True}
            body |= {"stream_options": {"include_usage": True}} if counted else {}
            try:
                await self.caller.stream("chat/completions" if chat else "completions", body, self.account, begin)
            except RemoteError:
                continue
            self._know(streams=True, stream_usage=tries[-1].drawn.usage is not None)
            return
        self._know(streams=False, stream_usage=False)

    async def _takes_ids(self) -> bool:
        """Whether a text goes to ids and back, and ids are taken as a prompt."""

        def tokens(answer: Any) -> Any:
            return answer.get("tokens") if isinstance(answer, Mapping) else None

        def prompt(answer: Any) -> Any:
            return answer.get("prompt") if isinstance(answer, Mapping) else None

        model = {"model": self.found["model"]}
        try:
            told = model | {"prompt": PROMPT, "add_special_tokens": True}
            ids = await self.caller.post("../tokenize", told, self.account, tokens, retries=REFUSED)
            if not isinstance(ids, list) or not ids:
                return False
            back = await self.caller.post(
                "../detokenize", model | {"tokens": ids}, self.account, prompt, retries=REFUSED
            )
        except RemoteError:
            return False
        drawn = await self._draw({"prompt": ids, "return_token_ids": True})
        return isinstance(back, str) and PROMPT in back and drawn is not None and bool(drawn[0].ids)

    async def _rewards(self) -> None:
        if self.found["kind"] != "ramify":
            self._know(rewards=())
            return
        body = await self.caller.get("methods", self.account)
        self._know(rewards=tuple(str(name) for name in body.get("rewards", [])))


async def probed(caller: Caller, model: str | None, wishes: Mapping[str, Any]) -> Capabilities:
    """What a server can do, where the caller does not say it.

    Raises:
        UnknownName, BadInput: what is declared is no capability. RemoteError: the server does not answer.
    """
    known = declared(wishes)
    return await Probe(caller, known).run(model)
