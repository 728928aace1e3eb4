"""What a server can do: found out by small requests (`probing`), or declared by the caller, who knows better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ramify.core.errors import BadInput, UnknownName
from ramify.core.strict import finite, whole


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a server can do.

    model               the model's name there
    kind                "ramify", "vllm", "sglang", "llama.cpp", "llama-cpp-python" or "openai" (see `kinds`)
    fields              fields of `Sampling` beside OpenAI's own that it honours -> its names for them
    all_k               the value of top_k that keeps every token
    context             tokens that a prompt and its text may have together; None: not known
    completions, chat   whether it has /v1/completions, /v1/chat/completions
    continues           whether a chat goes on from an unfinished message of the assistant (continue_final_message)
    ids                 whether prompts and answers go as token ids (prompt, return_token_ids, /tokenize, /detokenize)
    logprobs            whether it gives log-probabilities of the drawn tokens
    choices             most different texts that one request gives (n); 1: one request a text
    seeds               whether the same seed gives the same text
    varied              whether other seeds give other texts
    streams             whether it streams
    stream_usage        whether a stream ends with the count of its tokens
    rewards             names that /v1/score knows
    page_size           tokens of a page, for methods that fill a budget of pages
    prompt_price, completion_price   money for a million tokens
    """

    model: str
    kind: str = "openai"
    fields: Mapping[str, str] = field(default_factory=dict)
    all_k: int = 0
    context: int | None = None
    completions: bool = True
    chat: bool = True
    continues: bool = False
    ids: bool = False
    logprobs: bool = False
    choices: int = 1
    seeds: bool = True
    varied: bool = True
    streams: bool = True
    stream_usage: bool = False
    rewards: tuple[str, ...] = ()
    page_size: int = 16
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self) -> None:
        if not self.model or not isinstance(self.model, str):
            raise BadInput("model", f"{self.model!r} is no name of a model")
        if self.context is not None:
            whole("context", self.context, 1, 1 << 40)
        whole("choices", self.choices, 1, 1 << 16)
        whole("page_size", self.page_size, 1, 1 << 16)
        for name in ("prompt_price", "completion_price"):
            finite(name, getattr(self, name), 0.0, 1e12)
        for name in FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise BadInput(name, f"{getattr(self, name)!r} is neither True nor False")
        if not self.completions and not self.chat:
            raise BadInput("completions", "a server without completions and without chats draws nothing")


FLAGS = ("completions", "chat", "continues", "ids", "logprobs", "seeds", "varied", "streams", "stream_usage")


def declared(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """What a caller says of a server, checked; lists become what `Capabilities` holds.

    Raises:
        UnknownName: it is said of something else. BadInput: a value is out of range.
    """
    known = {f.name for f in fields(Capabilities)} - {"model"}
    for name in wishes:
        if name not in known:
            raise UnknownName("option", name, known)
    given = {name: value for name, value in wishes.items() if value is not None}
    if isinstance(given.get("fields"), Sequence) and not isinstance(given["fields"], str):
        given["fields"] = {name: name for name in given["fields"]}
    if "rewards" in given:
        given["rewards"] = tuple(given["rewards"])
    replace(Capabilities(model="-"), **given)  # the values themselves
    return given
