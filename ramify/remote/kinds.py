"""Kinds of servers: which fields beside OpenAI's own each is known to honour, and under which names.

Servers accept unknown fields in silence, so this cannot be asked, only known. What a server does not say is as
important: llama-cpp-python has top_k=40, min_p=0.05 and repeat_penalty=1.1 where a request says nothing, vLLM takes
defaults from the model's folder. So what shapes a law is always said, also where it changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ramify.core.errors import UnknownName


@dataclass(frozen=True)
class Kind:
    """One kind of server.

    fields      a field of `Sampling` -> what the server calls it
    all_k       the value of its top_k that keeps every token
    owner       what its /v1/models says in "owned_by"
    counter     path, question and answer of a route that counts a text's tokens
    """

    name: str
    owner: str
    fields: Mapping[str, str]
    all_k: int = 0
    counter: tuple[str, str, str] | None = None


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_SHAPE = ("top_k", "min_p")
_VLLM = _same(*_SHAPE, "repetition_penalty", "ignore_eos", "stop_token_ids", "bad_words")
_LLAMA = _same(*_SHAPE) | {"repetition_penalty": "repeat_penalty"}
KINDS = {
    kind.name: kind
    for kind in (
        Kind("ramify", "ramify", _VLLM | _same("logprobs_mode"), -1),
        Kind("vllm", "vllm", _VLLM, -1),
        Kind("sglang", "sglang", _same(*_SHAPE, "repetition_penalty", "ignore_eos", "stop_token_ids"), -1),
        Kind("llama.cpp", "llamacpp", _LLAMA | _same("ignore_eos")),
        Kind("llama-cpp-python", "me", _LLAMA, counter=("../extras/tokenize/count", "input", "count")),
        Kind("openai", "", {}),
    )
}
ALWAYS = ("top_k", "min_p", "repetition_penalty")  # said also where they change nothing


def kind_of(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UnknownName: there is none.
    """
    if name not in KINDS:
        raise UnknownName("kind", name, KINDS)
    return KINDS[name]


def kind_by_owner(owner: object) -> Kind:
    """The kind that a list of models gives away; OpenAI's interface and nothing else where it gives away nothing."""
    return next((kind for kind in KINDS.values() if kind.owner and kind.owner == owner), KINDS["openai"])
