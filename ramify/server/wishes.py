"""From a request to what the engine is asked: prompts, a method, its options. Caps are checked before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from ramify.api import Reader
from ramify.core.errors import BadInput, UnknownName
from ramify.core.protocols import Method
from ramify.core.registry import lookup
from ramify.core.spec import parse
from ramify.core.types import Budget
from ramify.server.errors import bad
from ramify.server.schema import ChatRequest, CompletionRequest, Message, SearchWish, Wanted
from ramify.server.settings import Limits, Settings

Text = str | Sequence[int] | Sequence[Mapping[str, Any]]
LEGACY_TOKENS = 16  # what completions have where nothing is said
WIDE = ("n", "width", "chains", "children")  # options that branches come of
SAMPLING = (
    "temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "ignore_eos",
    "logprobs_mode",
)  # fmt: skip
TEMPLATE_FIELDS = ("messages", "add_generation_prompt", "continue_final_message", "tools", "documents", "template")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A request as the engine sees it: `prompts` under one method.

    choices     how many texts of each prompt are answered with
    read_only   nothing is drawn: the prompt's log-probabilities are all that is wanted
    """

    prompts: Sequence[Text]
    method: str | Method
    options: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    choices: int = 1
    search: SearchWish | None = None
    chat: bool = False
    echo: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    read_only: bool = False
    return_ids: bool = False
    stream: bool = False
    include_usage: bool = False

    @property
    def name(self) -> str:
        """The method's."""
        return self.method if isinstance(self.method, str) else self.method.name


def of_completion(request: CompletionRequest, settings: Settings, reader: Reader) -> Wish:
    """What POST /v1/completions asks for."""
    limits = settings.limits
    prompts = _prompts(request.prompt, limits, reader.tokenizer.vocab_size)
    search = searched(request, settings)
    if search is None and request.best_of is not None and request.best_of > (request.n or 1):
        _most("best_of", request.best_of, limits.max_n)
        search = SearchWish(method="best-of-n", reward="logprob", n=request.best_of)  # type: ignore[call-arg]
        shared = _shared(request, settings, reader, search, choices=request.n or 1)
        shared["search"] = None
    else:
        if request.best_of is not None and request.best_of < (request.n or 1):
            raise bad("best_of", f"{request.best_of} texts are too few to answer with n={request.n}")
        shared = _shared(request, settings, reader, search)
    _most("n", len(prompts) * (request.best_of or request.n or 1), limits.max_choices, "texts of all prompts")
    tokens = LEGACY_TOKENS if request.max_tokens is None else request.max_tokens
    _most("max_tokens", tokens, limits.max_tokens)
    echo, logprobs = bool(request.echo), request.logprobs
    if logprobs is not None:
        _most("logprobs", logprobs, limits.max_logprobs)
    wanted = request.prompt_logprobs
    if echo and logprobs is not None:
        wanted = logprobs if wanted is None else max(wanted, logprobs)
    _refuse_in_stream(request, "prompt_logprobs" if request.prompt_logprobs is not None else "echo", wanted)
    if tokens == 0 and (search is not None or request.stream):
        raise bad("max_tokens", "0 draws nothing: neither a search nor a stream comes of it")
    options = shared.pop("options") | _of_tokens(tokens, logprobs, wanted)
    asked: dict[str, Any] = {"echo": echo, "logprobs": logprobs, "prompt_logprobs": wanted, "read_only": tokens == 0}
    return Wish(prompts=prompts, options=options, **asked, **shared)


def of_chat(request: ChatRequest, settings: Settings, reader: Reader) -> Wish:
    """What POST /v1/chat/completions asks for."""
    limits = settings.limits
    if request.top_logprobs is not None and not request.logprobs:
        raise bad("top_logprobs", "they stand beside log-probabilities; set logprobs to true")
    both = (request.max_tokens, request.max_completion_tokens)
    if None not in both and both[0] != both[1]:
        raise bad("max_tokens", "max_completion_tokens says something else; give one of them")
    tokens = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
    if tokens == 0:
        raise bad("max_completion_tokens" if request.max_tokens is None else "max_tokens", "at least 1 is expected")
    _most("max_tokens" if request.max_completion_tokens is None else "max_completion_tokens", tokens, limits.max_tokens)
    _most("top_logprobs", request.top_logprobs, limits.max_logprobs)
    _refuse_in_stream(request, "prompt_logprobs", request.prompt_logprobs)
    logprobs = (request.top_logprobs or 0) if request.logprobs else None
    shared = _shared(request, settings, reader, searched(request, settings))
    tokens = limits.max_tokens if tokens is None else tokens
    options = shared.pop("options") | _of_tokens(tokens, logprobs, request.prompt_logprobs)
    ids = chat_ids(request.messages, request, limits, reader)
    return Wish(
        prompts=[ids], options=options, chat=True, logprobs=logprobs, prompt_logprobs=request.prompt_logprobs, **shared
    )


def chat_ids(messages: Sequence[Message], request: Any, limits: Limits, reader: Reader) -> list[int]:
    """The tokens of a chat, by the model's own template."""
    _most("messages", len(messages), limits.max_messages)
    variables = request.chat_template_kwargs or {}
    for name in variables:
        if name in TEMPLATE_FIELDS:
            raise bad("chat_template_kwargs", f"{name!r} is a field of the request itself")
    return reader.chat.encode(
        reader.tokenizer,
        [plain(message) for message in messages],
        add_generation_prompt=request.add_generation_prompt,
        continue_final_message=bool(request.continue_final_message),
        **variables,
    )


def plain(message: Message) -> dict[str, Any]:
    """A message as templates know it: its pieces of text joined."""
    body = message.model_dump(exclude_none=True)
    if isinstance(message.content, list):
        body["content"] = "".join(part.text for part in message.content)
    return body


def searched(request: Wanted, settings: Settings) -> SearchWish | None:
    """The search that a request asks for, in its body or behind the model's name."""
    name, colon, method = request.model.partition(":")
    if name != settings.model or (colon and not method):
        raise UnknownName("model", request.model, [settings.model])
    wish = request.search
    if method:
        if wish is not None:
            raise bad("search", f"the model's name asks for {method!r} already")
        chosen = _method(method, "model")
        wish = SearchWish(method=method, reward=settings.reward if chosen.uses_reward else None)
    if request.beam_width is None:
        for name in ("length_penalty", "early_stopping"):
            if getattr(request, name) is not None:
                raise bad(name, "it belongs to a beam search; give beam_width")
        return wish
    if wish is not None:
        raise bad("beam_width", f"a search is asked for already: {wish.method}")
    return None


def _shared(
    request: Wanted, settings: Settings, reader: Reader, search: SearchWish | None, *, choices: int | None = None
) -> dict[str, Any]:
    limits, n = settings.limits, request.n or 1
    _most("n", n, limits.max_n)
    options: dict[str, Any] = {k: v for k in SAMPLING if (v := getattr(request, k)) is not None}
    if request.top_k is not None:
        options["top_k"] = max(0, request.top_k)
    options |= _stops(request, limits) | _bias(request, limits, reader.tokenizer.vocab_size)
    if request.speculate is not None:
        options["speculate"] = request.speculate
    if request.stream_options is not None and not request.stream:
        raise bad("stream_options", "they belong to a stream; set stream to true")
    about: dict[str, Any] = {
        "seed": request.seed, "return_ids": bool(request.return_token_ids), "stream": bool(request.stream),
        "include_usage": bool(request.stream_options and request.stream_options.include_usage), "search": search,
    }  # fmt: skip
    if search is not None:
        if n > 1 and choices is None:
            raise bad("n", "a search answers with its best; its number of candidates is search.n")
        options |= _search_options(search, limits, options)
        return about | {"method": search.method, "options": options, "choices": choices or 1}
    if request.beam_width is not None:
        _most("beam_width", request.beam_width, limits.max_beam_width)
        if n > request.beam_width:
            raise bad("n", f"{request.beam_width} beams end in no more texts; raise beam_width")
        options |= {"width": request.beam_width} | {
            k: v for k in ("length_penalty", "early_stopping") if (v := getattr(request, k)) is not None
        }
        return about | {"method": "token-beam-search", "options": options, "choices": n}
    return about | {"method": "sample", "options": options | {"n": n}, "choices": n}


def _search_options(search: SearchWish, limits: Limits, sampling: Mapping[str, Any]) -> dict[str, Any]:
    own = dict(search.model_extra or {})
    method = _method(search.method, "search.method")
    if both := sorted(own.keys() & sampling.keys()):
        raise bad(f"search.{both[0]}", "sampling is given once, at the top of the request")
    if "seed" in own or "max_tokens" in own or "logprobs" in own:
        misplaced = next(k for k in ("seed", "max_tokens", "logprobs") if k in own)
        raise bad(f"search.{misplaced}", "it stands at the top of the request")
    for name in ("watch", "salt", "progress", "extract", "speculate"):
        if name in own:
            raise bad(f"search.{name}", "this is no option of a method")
    wide = prod(_widths(search.method, own))
    _most("search.n", wide, limits.max_n)
    budget = search.budget.model_dump(exclude_none=True) if search.budget else {}
    _most("search.budget.tokens", budget.get("tokens"), limits.max_search_tokens)
    _most("search.budget.seconds", budget.get("seconds"), limits.max_search_seconds)
    budget = {"tokens": limits.max_search_tokens, "seconds": limits.max_search_seconds} | budget
    if search.select is not None:
        own["select"] = search.select
    if search.guide is not None:
        own["guide"] = search.guide
    if search.reward is not None:
        own["reward"] = search.reward
    elif method.uses_reward:
        raise bad("search.reward", f"{method.name} ranks by one; GET /v1/methods lists them")
    return own | {"budget": Budget(**budget)}


def _method(text: str, place: str) -> Method:
    try:
        name = parse(text, "method")[0] if "(" in text else text
        method: Method = lookup("method", name)
    except BadInput as error:
        raise bad(place, str(error).removeprefix("method: ")) from None
    return method


def _widths(method: str, own: Mapping[str, Any]) -> list[int]:
    """How many branches each level of a nested search holds."""
    _, written = parse(method, "method") if "(" in method else (method, {})
    options = dict(written) | dict(own)
    wide = [v for k in WIDE if isinstance(v := options.get(k), int) and not isinstance(v, bool)]
    inner = options.get("each")
    return [max(1, *wide, 1), *(_widths(inner, {}) if isinstance(inner, str) else [])]


def _prompts(prompt: Any, limits: Limits, vocabulary: int) -> list[Text]:
    if isinstance(prompt, str):
        return [prompt]
    if not prompt:
        raise bad("prompt", "it is empty; a text, token ids, or a list of either is expected")
    prompts: list[Text] = [prompt] if isinstance(prompt[0], int) else prompt
    _most("prompt", len(prompts), limits.max_prompts, "prompts")
    for ids in prompts:
        if not isinstance(ids, str):
            require_ids("prompt", ids, vocabulary)  # type: ignore[arg-type]
    return prompts


def require_ids(name: str, ids: Sequence[int], vocabulary: int) -> None:
    """Refuse tokens that the model does not have."""
    if ids and max(ids) >= vocabulary:
        raise bad(name, f"token {max(ids)} is out of the vocabulary of {vocabulary}")


def _stops(request: Wanted, limits: Limits) -> dict[str, Any]:
    texts = [request.stop] if isinstance(request.stop, str) else request.stop
    options: dict[str, Any] = {}
    for name, values in (("stop", texts), ("bad_words", request.bad_words), ("stop_token_ids", request.stop_token_ids)):
        if values is None:
            continue
        _most(name, len(values), limits.max_stop, "entries")
        for text in values:
            if isinstance(text, str) and len(text.encode("utf-8", "replace")) > limits.max_stop_bytes:
                raise bad(name, f"a text is longer than {limits.max_stop_bytes} bytes")
        options[name] = tuple(values)
    return options


def _bias(request: Wanted, limits: Limits, vocabulary: int) -> dict[str, Any]:
    if request.logit_bias is None:
        return {}
    _most("logit_bias", len(request.logit_bias), limits.max_logit_bias, "entries")
    try:
        bias = {int(token): float(value) for token, value in request.logit_bias.items()}
    except ValueError:
        raise bad("logit_bias", "its keys are token ids") from None
    if min(bias, default=0) < 0:
        raise bad("logit_bias", "its keys are token ids")
    require_ids("logit_bias", list(bias), vocabulary)
    return {"logit_bias": bias}


def _of_tokens(tokens: int | None, logprobs: int | None, prompt_logprobs: int | None) -> dict[str, Any]:
    known = {"max_tokens": tokens or None, "logprobs": logprobs, "prompt_logprobs": prompt_logprobs}
    return {name: value for name, value in known.items() if value is not None}


def _refuse_in_stream(request: Wanted, name: str, wanted: int | None) -> None:
    _most("prompt_logprobs", wanted, 20)
    if request.stream and wanted is not None:
        raise bad(name, "a prompt's log-probabilities are not streamed; ask without stream")


def _most(name: str, value: float | None, most: float, what: str = "") -> None:
    if value is not None and value > most:
        raise bad(
            name, f"{value:g}{' ' + what if what else ''} are more than this server allows ({most:g})", "limit_exceeded"
        )
