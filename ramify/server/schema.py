"""What requests look like. Every field that is not here is refused by name; so is every number that is not finite."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

Number = StrictFloat | StrictInt
Count = Annotated[int, Field(strict=True, ge=0)]
TokenId = Annotated[int, Field(strict=True, ge=0, lt=1 << 31)]
Seed = Annotated[int, Field(strict=True, ge=-(1 << 63), lt=1 << 63)]


class Strict(BaseModel):
    """No unknown fields, no conversions, no NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())


class StreamOptions(Strict):
    """What a stream ends with."""

    include_usage: StrictBool = False
    include_obfuscation: Literal[False] = False


class TextFormat(Strict):
    """The only format of answers so far: text."""

    type: Literal["text"]


class BudgetWish(Strict):
    """See `ramify.Budget`."""

    tokens: Count | None = None
    reward_tokens: Count | None = None
    draft_tokens: Count | None = None
    flops: Number | None = None
    seconds: Number | None = None
    pages: Count | None = None


class SearchWish(BaseModel):
    """A search in place of plain sampling. Further fields are options of the method."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, protected_namespaces=())

    method: StrictStr
    reward: StrictStr | None = None
    guide: StrictStr | None = None
    select: StrictStr | None = None
    budget: BudgetWish | None = None
    trace: StrictBool = False


class Wanted(Strict):
    """What completions and chats have in common."""

    model: StrictStr
    n: Annotated[int, Field(strict=True, ge=1)] | None = None
    seed: Seed | None = None
    stop: StrictStr | list[StrictStr] | None = None
    max_tokens: Count | None = None
    temperature: Number | None = None
    top_p: Number | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    logit_bias: dict[StrictStr, Number] | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    user: StrictStr | None = Field(None, description="Noted in the log; it changes nothing.")
    # beside OpenAI's own, as vLLM names them
    top_k: Annotated[int, Field(strict=True, ge=-1)] | None = Field(None, description="0 and -1 keep all.")
    min_p: Number | None = None
    repetition_penalty: Number | None = None
    ignore_eos: StrictBool | None = None
    stop_token_ids: list[TokenId] | None = None
    bad_words: list[StrictStr] | None = None
    beam_width: Annotated[int, Field(strict=True, ge=1)] | None = None
    length_penalty: Number | None = None
    early_stopping: StrictBool | None = None
    prompt_logprobs: Count | None = None
    return_token_ids: StrictBool | None = None
    logprobs_mode: Literal["raw", "processed"] | None = None
    speculate: StrictBool | None = Field(None, description="False decodes plainly where the server has a draft.")
    search: SearchWish | None = None


class CompletionRequest(Wanted):
    """POST /v1/completions."""

    prompt: StrictStr | list[StrictStr] | list[TokenId] | list[list[TokenId]]
    logprobs: Count | None = None
    echo: StrictBool | None = None
    best_of: Annotated[int, Field(strict=True, ge=1)] | None = None
    suffix: None = None


class ContentPart(Strict):
    """A piece of a message. Pictures and sound are refused."""

    type: Literal["text"]
    text: StrictStr


class Message(BaseModel):
    """One message; further fields are for the chat template."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    role: StrictStr
    content: StrictStr | list[ContentPart] | None = None


class ChatRequest(Wanted):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: StrictBool | None = None
    top_logprobs: Count | None = None
    response_format: TextFormat | None = None
    modalities: list[Literal["text"]] | None = None
    add_generation_prompt: StrictBool | None = None
    continue_final_message: StrictBool | None = None
    chat_template_kwargs: dict[StrictStr, Any] | None = None


class ScoreRequest(Strict):
    """POST /v1/score: texts by a reward, raw."""

    model: StrictStr
    prompt: StrictStr | Annotated[list[Message], Field(min_length=1)]
    completion: StrictStr | None = None
    completions: Annotated[list[StrictStr], Field(min_length=1)] | None = None
    ended: StrictBool = Field(False, description="The texts are over: they are read with the model's end token.")
    steps: StrictBool = False
    step: Annotated[StrictStr, Field(min_length=1)] = "\n"
    user: StrictStr | None = None


class TokenizeRequest(Strict):
    """POST /tokenize."""

    model: StrictStr | None = None
    prompt: StrictStr | None = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    add_special_tokens: StrictBool = True
    return_token_strs: StrictBool = False
    add_generation_prompt: StrictBool | None = None
    continue_final_message: StrictBool | None = None
    chat_template_kwargs: dict[StrictStr, Any] | None = None


class DetokenizeRequest(Strict):
    """POST /detokenize."""

    model: StrictStr | None = None
    tokens: list[TokenId]


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorAnswer(BaseModel):
    """OpenAI's error object."""

    error: ErrorBody
