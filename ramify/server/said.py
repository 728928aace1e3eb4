"""What answers look like, for the OpenAPI document. Answers are plain dicts; the tests hold them to these."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Said(BaseModel):
    """Further fields may come with later versions."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Usage(Said):
    """Tokens: each prompt once; of a search all that were drawn."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Ledger(Said):
    """What a search cost; `models` has tokens, passes and FLOPs of each model."""

    prompt_tokens: int
    generated_tokens: int
    reward_tokens: int
    draft_tokens: int
    recomputed_tokens: int
    flops: float
    seconds: float
    models: dict[str, dict[str, Any]]


class Candidate(Said):
    """One text that a search made."""

    index: int
    text: str
    score: float | None
    tokens: int
    stopped_because: str
    weight: float | None


class Found(Said):
    """All that a search found."""

    method: str
    seed: int
    best: int | None
    candidates: list[Candidate]
    rounds: list[dict[str, Any]]
    log_evidence: float | None
    ledger: Ledger


class Answer(Said):
    """What completions and chats have in common; `search` is there where one was asked for (a list, of several)."""

    id: str
    object: str
    created: int
    model: str
    usage: Usage
    search: Found | list[Found] | None = None


class CompletionChoice(Said):
    """One text."""

    index: int
    text: str
    finish_reason: str
    stop_reason: str | int | None
    logprobs: dict[str, Any] | None


class CompletionAnswer(Answer):
    """Of POST /v1/completions."""

    choices: list[CompletionChoice]


class ChatChoice(Said):
    """One message."""

    index: int
    message: dict[str, Any]
    finish_reason: str
    stop_reason: str | int | None
    logprobs: dict[str, Any] | None


class ChatAnswer(Answer):
    """Of POST /v1/chat/completions."""

    choices: list[ChatChoice]


class Score(Said):
    """Raw, as the reward gives it."""

    index: int
    score: float
    steps: list[dict[str, Any]] | None = None


class ScoreAnswer(Said):
    """Of POST /v1/score."""

    object: str
    model: str
    data: list[Score]
    usage: Usage


class Tokens(Said):
    """Of POST /tokenize."""

    tokens: list[int]
    count: int
    max_model_len: int
    token_strs: list[str] | None = None


class Text(Said):
    """Of POST /detokenize."""

    prompt: str


class Model(Said):
    """One name that requests may give as `model`."""

    id: str
    object: str
    created: int
    owned_by: str
    max_model_len: int


class Models(Said):
    """Of GET /v1/models."""

    object: str
    data: list[Model]


class Health(Said):
    """Of GET /healthz."""

    status: str
    version: str
