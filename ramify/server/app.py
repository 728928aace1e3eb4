"""The routes. What they do stands in `calls`, what they refuse in `gate`, `wishes` and `schema`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from inspect import Parameter
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from ramify import __version__
from ramify.api import BUILTIN_MODELS, LM, SCORED_TEXTS, Serving, Tokenizer, methods
from ramify.core.errors import RamifyError, UnknownName
from ramify.core.registry import lookup, names
from ramify.core.strict import keyword_options
from ramify.server import said
from ramify.server.calls import Call, Calls
from ramify.server.errors import Refused, bad, refused
from ramify.server.gate import Gate
from ramify.server.logdb import LogDb
from ramify.server.metrics import Metrics
from ramify.server.playground_files import playground
from ramify.server.schema import (
    ChatRequest,
    CompletionRequest,
    DetokenizeRequest,
    ErrorAnswer,
    ScoreRequest,
    TokenizeRequest,
)
from ramify.server.settings import Settings
from ramify.server.wishes import Wish, chat_ids, of_chat, of_completion, plain, require_ids

SAYS = {
    400: "A field is wrong, unknown or not supported; `error.param` names it.",
    401: "An API key is needed.",
    404: "No such model or path.",
    405: "The path knows other methods.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    429: "Too many requests are waiting; come back after Retry-After seconds.",
    499: "The client went away (for logs; nobody sees it).",
    500: "The server failed.",
    503: "The server is shutting down.",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer, "description": text} for code, text in SAYS.items()
}
SCRAPED: dict[int | str, dict[str, Any]] = {200: {"description": "Prometheus' format.", "content": {"text/plain": {}}}}
REWARDS = ("builtin-prm", "builtin-orm", "builtin-dpo", "logprob", "judge")
BUDGET = ("tokens", "reward_tokens", "draft_tokens", "flops", "seconds", "pages")
CREATED = 1_700_000_000


def _says(answer: type[said.Said], *, streams: bool = False) -> dict[int | str, dict[str, Any]]:
    """The document's word on a route's answers."""
    content: dict[str, Any] = {"text/event-stream": {}} if streams else {}
    return {200: {"model": answer, "description": answer.__doc__ or "", "content": content}}


def create_app(service: Serving, settings: Settings | None = None, *, logdb: LogDb | None = None) -> FastAPI:
    """The server over a service. It does not close the service: who made it does."""
    settings = settings or Settings()
    metrics = Metrics(models=[*settings.rewards, *settings.known])
    metrics.watch_status(service.status)
    metrics.engine(service.pid, settings.threads)
    if logdb is not None:
        metrics.watch_lost(lambda: logdb.lost)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if logdb is not None:
            logdb.close()

    app = FastAPI(
        title="ramify", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan, responses=ANSWERS
    )
    for kind in (RamifyError, RequestValidationError, HTTPException, Refused):
        app.add_exception_handler(kind, _answered)
    app.add_middleware(Gate, settings=settings, metrics=metrics)
    calls = Calls(service, settings, metrics, logdb)
    app.state.calls, app.state.metrics = calls, metrics
    _writing(app, calls)
    _reading(app, calls)
    _about(app, calls)
    app.include_router(playground())
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _writing(app: FastAPI, calls: Calls) -> None:
    """The routes that draw."""

    @app.post("/v1/completions", tags=["OpenAI"], responses=_says(said.CompletionAnswer, streams=True))
    async def completions(request: Request, body: CompletionRequest) -> Response:
        """Continue one prompt or several; a search if `search` or the model's name asks for one."""
        request.state.asked = body.model_dump(exclude_none=True)
        return await calls.complete(request, of_completion(body, calls.settings, calls.reader))

    @app.post("/v1/chat/completions", tags=["OpenAI"], responses=_says(said.ChatAnswer, streams=True))
    async def chat_completions(request: Request, body: ChatRequest) -> Response:
        """Answer a chat, rendered by the model's own template."""
        request.state.asked = body.model_dump(exclude_none=True)
        return await calls.complete(request, of_chat(body, calls.settings, calls.reader))


def _reading(app: FastAPI, calls: Calls) -> None:
    """The routes that only read."""
    reader, settings = calls.reader, calls.settings

    @app.post("/v1/score", tags=["ramify"], responses=_says(said.ScoreAnswer))
    async def score(request: Request, body: ScoreRequest) -> Response:
        """Score texts behind a prompt by a reward: raw numbers, of each step if `steps`."""
        request.state.asked = body.model_dump(exclude_none=True)
        texts = _completions(body, settings.limits.max_prompts)
        try:
            weighs_draws = await asyncio.wrap_future(calls.service.call(_weighs_draws, body.model))
        except UnknownName as error:
            raise Refused(404, str(error), param="model", code="model_not_found") from None
        if weighs_draws:
            raise bad("model", f"{body.model!r} weighs how a text was drawn; it cannot score one that stands already")
        prompt = body.prompt if isinstance(body.prompt, str) else [plain(message) for message in body.prompt]
        options: dict[str, Any] = {"texts": tuple(texts), "step": body.step if body.steps else "", "reward": body.model}
        options["end"] = min(reader.tokenizer.end_ids, default=None) if body.ended else None
        call = Call(calls, request, Wish(prompts=[prompt], method=SCORED_TEXTS, options=options, seed=0))
        result = (await call.wait(call.begin(None)))[0]
        data = []
        for i, (candidate, steps) in enumerate(zip(result.candidates, result.rounds, strict=True)):
            entry = {"object": "score", "index": i, "score": candidate.score}
            data.append(entry | ({"steps": steps["steps"]} if body.steps else {}))
        read = result.ledger.prompt_tokens + sum(candidate.tokens for candidate in result.candidates)
        used = {"prompt_tokens": read, "completion_tokens": 0, "total_tokens": read}
        return call.done({"object": "list", "model": body.model, "data": data, "usage": used}, [result])

    @app.post("/tokenize", tags=["ramify"], responses=_says(said.Tokens))
    async def tokenize(body: TokenizeRequest) -> Response:
        """Token ids of a text or of a chat."""
        _known_model(body.model, settings)
        if (body.prompt is None) == (body.messages is None):
            raise bad("prompt", "a prompt or messages are expected, one of them")
        if body.messages is not None:
            ids = chat_ids(body.messages, body, settings.limits, reader)
        else:
            ids = reader.tokenizer.encode(body.prompt or "", add_begin=body.add_special_tokens)
        answer: dict[str, Any] = {"tokens": ids, "count": len(ids), "max_model_len": calls.reader.context}
        if body.return_token_strs:
            answer["token_strs"] = [reader.tokenizer.tokens[token] for token in ids]
        return JSONResponse(answer)

    @app.post("/detokenize", tags=["ramify"], responses=_says(said.Text))
    async def detokenize(body: DetokenizeRequest) -> Response:
        """The text of token ids, special ones spelled out."""
        _known_model(body.model, settings)
        require_ids("tokens", body.tokens, reader.tokenizer.vocab_size)
        return JSONResponse({"prompt": reader.tokenizer.decode(body.tokens, skip_special=False)})


def _about(app: FastAPI, calls: Calls) -> None:
    """The routes that say what there is."""
    settings, offered = calls.settings, _model_names(calls)

    @app.get("/healthz", tags=["ramify"], responses=_says(said.Health))
    async def healthz() -> Response:
        """Whether the engine's thread is alive; no key is asked for."""
        if not calls.service.alive:
            raise Refused(503, "the engine has stopped", code="closing")
        return JSONResponse({"status": "ok", "version": __version__})

    @app.get("/metrics", tags=["ramify"], responses=SCRAPED)
    async def metrics() -> Response:
        """For Prometheus."""
        body, kind = app.state.metrics.render()
        return Response(body, media_type=kind)

    @app.get("/v1/models", tags=["OpenAI"], responses=_says(said.Models))
    async def models() -> Response:
        """The model, and each search that its name may carry."""
        return JSONResponse({"object": "list", "data": [_model(calls, name) for name in offered]})

    @app.get("/v1/models/{model}", tags=["OpenAI"], responses=_says(said.Model))
    async def model(model: str) -> Response:
        """One of them."""
        if model not in offered:
            raise Refused(404, f"model: unknown {model!r}", param="model", code="model_not_found")
        return JSONResponse(_model(calls, model))

    @app.get("/v1/methods", tags=["ramify"])
    async def known_methods() -> Response:
        """Every search with its options, the rewards and guides there are, and this server's limits."""
        guides = [lookup("guide", name) for name in names("guide")]
        return JSONResponse(
            {
                "object": "list",
                "model": settings.model,
                "methods": [_method(method) for method in methods()],
                "rewards": [*REWARDS, *settings.rewards],
                "guides": [{"name": g.name, "summary": g.summary, "example": g.example} for g in guides],
                "budget": BUDGET,
                "limits": settings.caps,
                "draft": settings.draft,
            }
        )


def _method(method: Any) -> dict[str, Any]:
    said = ("name", "summary", "paper", "law", "needs", "uses_reward", "size")
    options = [{"name": name, **_option(p)} for name, p in keyword_options(method.run).items()]
    return {name: getattr(method, name) for name in said} | {"options": options}


def _option(parameter: Parameter) -> dict[str, Any]:
    default = None if parameter.default is Parameter.empty else parameter.default
    kind = {bool: "bool", int: "int", float: "float", str: "str"}.get(type(default), "json")
    try:
        json.dumps(default, allow_nan=False)
    except (TypeError, ValueError):
        default = str(default)
    return {"default": default, "type": kind}


def _model_names(calls: Calls) -> list[str]:
    """The model, and behind its name every search whose defaults speak its tokens."""
    settings = calls.settings
    foreign = calls.reader.tokenizer.disagreement(Tokenizer.load(BUILTIN_MODELS["draft"])) is not None
    known = [
        method.name
        for method in methods()
        if not foreign or not (method.models or (method.uses_reward and settings.reward.startswith("builtin")))
    ]
    return [settings.model, *(f"{settings.model}:{name}" for name in known)]


def _model(calls: Calls, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "ramify",
        "max_model_len": calls.reader.context,
        "chat": bool(calls.reader.chat.templates),
        "draft": calls.settings.draft,
    }


def _weighs_draws(lm: LM, name: str) -> bool:
    """On the engine's thread: whether a reward weighs how a text was drawn."""
    return lm.reward(name).needs_logprobs


def _known_model(model: str | None, settings: Settings) -> None:
    if model is not None and model.partition(":")[0] != settings.model:
        raise Refused(404, f"model: unknown {model!r}; known: {settings.model}", param="model", code="model_not_found")


def _completions(body: ScoreRequest, most: int) -> list[str]:
    if (body.completion is None) == (body.completions is None):
        raise bad("completion", "a completion or a list of completions is expected, one of them")
    texts = [body.completion] if body.completion is not None else body.completions or []
    if len(texts) > most:
        raise bad("completions", f"{len(texts)} are more than this server allows ({most})", "limit_exceeded")
    if not all(texts):
        raise bad("completions", "there is nothing to score in an empty text")
    return texts


async def _answered(request: Request, error: Exception) -> Response:
    return refused(error).response()


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document without 422, which is never answered."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        app.openapi_schema = document
    return app.openapi_schema
