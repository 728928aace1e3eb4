"""From a branch to a request: its text on one of three wires, and every sampling parameter said or refused.

ids     /v1/completions, prompt and answer as token ids: what the server has read it finds again (prefix cache)
text    /v1/completions, prompt as text: the server reads tokens of its own out of it at every request
chat    /v1/chat/completions: the prompt's messages, the text so far as an unfinished message of the assistant
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ramify.core.errors import Incompatible
from ramify.core.random import address_at
from ramify.core.sampling import Sampling
from ramify.core.types import Branch
from ramify.remote.capabilities import Capabilities
from ramify.remote.kinds import ALWAYS

Wire = Literal["ids", "text", "chat"]
Messages = Sequence[Mapping[str, Any]]
PLAIN = Sampling()
OWN = ("ignore_eos", "stop_token_ids", "bad_words")  # beside OpenAI's own; said only where they are wished for
SEED_BITS = 0x7FFFFFFF  # what every server takes
PATHS: Mapping[Wire, str] = {"ids": "completions", "text": "completions", "chat": "chat/completions"}


@dataclass(frozen=True)
class Source:
    """What a branch goes on from, as its wire has it: the ids are the branch's own, a text, or messages."""

    wire: Wire
    text: str = ""
    messages: tuple[Mapping[str, Any], ...] = ()


def seed_of(branch: Branch) -> int:
    """Of the request that goes on from where the branch stands: it belongs to the branch and the place alone."""
    return address_at(branch.address, len(branch.tokens)) & SEED_BITS


def body_of(branch: Branch, source: Source, written: str, asked: int, n: int, able: Capabilities) -> dict[str, Any]:
    """The request for `asked` more tokens of a branch, `n` times.

    Args:
        written: the branch's text so far.
    """
    sampling = branch.sampling
    body: dict[str, Any] = {"model": able.model, able.fields.get("max_tokens", "max_tokens"): asked}
    body |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": seed_of(branch)}
    body |= _prompt(branch, source, written, able)
    for name in ("presence_penalty", "frequency_penalty"):
        if getattr(sampling, name):
            body[name] = getattr(sampling, name)
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if sampling.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in sampling.logit_bias.items()}
    body |= _further(sampling, able)
    body |= _logprobs(sampling, source, able)
    return body if n == 1 else body | {"n": n}


def _prompt(branch: Branch, source: Source, written: str, able: Capabilities) -> dict[str, Any]:
    match source.wire:
        case "ids":
            return {"prompt": list(branch.tokens), "return_token_ids": True}
        case "text":
            return {"prompt": source.text + written}
    messages = [dict(message) for message in source.messages]
    if not branch.num_generated:
        return {"messages": messages}
    go_on = {"add_generation_prompt": False, "continue_final_message": True}
    return {"messages": [*messages, {"role": "assistant", "content": written}], **go_on}


def _further(sampling: Sampling, able: Capabilities) -> dict[str, Any]:
    """Fields beside OpenAI's own, under the server's names."""
    body: dict[str, Any] = {}
    for name in ALWAYS:
        if name in able.fields:
            value = getattr(sampling, name)
            body[able.fields[name]] = able.all_k if name == "top_k" and value == 0 else value
    for name in OWN:
        value = getattr(sampling, name)
        if name in able.fields and value != getattr(PLAIN, name):
            body[able.fields[name]] = list(value) if isinstance(value, tuple) else value
    return body


def _logprobs(sampling: Sampling, source: Source, able: Capabilities) -> dict[str, Any]:
    """Log-probabilities where they are wished for, and where they are how tokens are told apart."""
    wish = sampling.logprobs
    if not able.logprobs or (wish is None and source.wire == "ids"):
        return {}
    body: dict[str, Any] = {"logprobs": True} if source.wire == "chat" else {"logprobs": max(1, wish or 0)}
    if source.wire == "chat" and wish:
        body["top_logprobs"] = wish
    if wish is not None and sampling.logprobs_mode == "processed" and not is_plain(sampling):
        body[able.fields["logprobs_mode"]] = "processed"
    return body


def is_plain(sampling: Sampling) -> bool:
    """Whether the law that is drawn from is the model's own, so that log-probabilities of both are the same."""
    shape = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")
    return all(getattr(sampling, name) == getattr(PLAIN, name) for name in shape) and not (
        sampling.logit_bias or sampling.bad_words
    )


def refuse(sampling: Sampling, able: Capabilities) -> None:
    """Refuse what the server is not known to honour.

    Raises:
        Incompatible: naming the field.
    """
    server = f"this server ({able.kind})"
    for name in (*ALWAYS, *OWN):
        value = getattr(sampling, name)
        if value != getattr(PLAIN, name) and name not in able.fields:
            known = ", ".join(sorted(able.fields)) or "none beside OpenAI's own"
            remedy = f"It is not known to honour {name}; known: {known}. If it does, declare fields={{{name!r}: ...}}."
            raise Incompatible(f"{name}={value!r}", server, remedy)
    if sampling.prompt_logprobs is not None:
        raise Incompatible("prompt_logprobs", server, "Only drawn tokens' log-probabilities are asked for.")
    if sampling.logprobs is None:
        return
    if not able.logprobs:
        raise Incompatible("logprobs", server, "It gives no log-probabilities; choose a method or reward without them.")
    mode = sampling.logprobs_mode
    if mode == "both" and not is_plain(sampling):
        remedy = "It gives the model's own law's only; that is the one drawn from at temperature=1 without cuts."
        raise Incompatible("log-probabilities of two laws", server, remedy)
    if mode == "processed" and not is_plain(sampling) and "logprobs_mode" not in able.fields:
        raise Incompatible("logprobs_mode='processed'", server, "It gives the model's own law's: take 'raw'.")
