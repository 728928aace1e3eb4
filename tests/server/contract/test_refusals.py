"""What is not honoured is refused, naming the field."""

from typing import Any

import openai
import pytest

from tests.server.conftest import KEYS
from tests.server.serving import Served
from tests.server.talking import KINDS, Talk

IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://example.org/a.png"}}]}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}

BOTH: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"temprature": 1}, "temprature"),
    "n 0": ({"n": 0}, "n"),
    "n of text": ({"n": "2"}, "n"),
    "n true": ({"n": True}, "n"),
    "n too large": ({"n": 33}, "n"),
    "n giant": ({"n": 10**12}, "n"),
    "temperature below 0": ({"temperature": -0.1}, "temperature"),
    "temperature of text": ({"temperature": "hot"}, "temperature"),
    "top_p 0": ({"top_p": 0}, "top_p"),
    "top_p above 1": ({"top_p": 1.01}, "top_p"),
    "top_k -2": ({"top_k": -2}, "top_k"),
    "min_p above 1": ({"min_p": 1.5}, "min_p"),
    "presence_penalty": ({"presence_penalty": 2.1}, "presence_penalty"),
    "frequency_penalty": ({"frequency_penalty": -2.1}, "frequency_penalty"),
    "repetition_penalty": ({"repetition_penalty": 0}, "repetition_penalty"),
    "max_tokens below 0": ({"max_tokens": -1}, "max_tokens"),
    "max_tokens above the cap": ({"max_tokens": 513}, "max_tokens"),
    "max_tokens of a fraction": ({"max_tokens": 1.5}, "max_tokens"),
    "seed of a fraction": ({"seed": 0.5}, "seed"),
    "seed too large": ({"seed": 2**63}, "seed"),
    "stop empty": ({"stop": ""}, "stop"),
    "stop with an empty one": ({"stop": ["a", ""]}, "stop"),
    "stop of numbers": ({"stop": [1]}, "stop"),
    "too many stops": ({"stop": ["x"] * 17}, "stop"),
    "a stop too long": ({"stop": "x" * 1025}, "stop"),
    "stop_token_ids": ({"stop_token_ids": [-1]}, "stop_token_ids"),
    "stop_token_ids too large": ({"stop_token_ids": [100_000]}, "stop_token_ids"),
    "bad_words empty": ({"bad_words": [""]}, "bad_words"),
    "bias of a word": ({"logit_bias": {"hello": 1}}, "logit_bias"),
    "bias of no token": ({"logit_bias": {"100000": 1}}, "logit_bias"),
    "bias of a negative token": ({"logit_bias": {"-1": 1}}, "logit_bias"),
    "bias too large": ({"logit_bias": {"5": 101}}, "logit_bias"),
    "bias of text": ({"logit_bias": {"5": "1"}}, "logit_bias"),
    "stream of text": ({"stream": "yes"}, "stream"),
    "stream_options without a stream": ({"stream_options": {"include_usage": True}}, "stream_options"),
    "unknown stream option": ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
    "logprobs_mode": ({"logprobs_mode": "cooked"}, "logprobs_mode"),
    "prompt_logprobs too many": ({"prompt_logprobs": 21}, "prompt_logprobs"),
    "prompt_logprobs -1": ({"prompt_logprobs": -1}, "prompt_logprobs"),
    "beam_width 0": ({"beam_width": 0}, "beam_width"),
    "beam_width too large": ({"beam_width": 9}, "beam_width"),
    "more choices than beams": ({"beam_width": 2, "n": 3}, "n"),
    "length_penalty without beams": ({"length_penalty": 1.0}, "length_penalty"),
    "early_stopping without beams": ({"early_stopping": True}, "early_stopping"),
    "use_beam_search": ({"use_beam_search": True}, "use_beam_search"),
    "beams and a search": ({"beam_width": 2, "search": {"method": "sample"}}, "beam_width"),
    "tools": ({"tools": [TOOL]}, "tools"),
    "cache_salt": ({"cache_salt": "mine"}, "cache_salt"),
    "guided_json": ({"guided_json": {}}, "guided_json"),
    "structured_outputs": ({"structured_outputs": {"regex": "a"}}, "structured_outputs"),
    "mm_processor_kwargs": ({"mm_processor_kwargs": {}}, "mm_processor_kwargs"),
}
CHATS: dict[str, tuple[dict[str, Any], str]] = {
    "no messages": ({"messages": []}, "messages"),
    "messages of text": ({"messages": "hello"}, "messages"),
    "a message without a role": ({"messages": [{"content": "hello"}]}, "messages"),
    "an image": ({"messages": IMAGE}, "messages"),
    "prompt": ({"prompt": "hello"}, "prompt"),
    "a schema": ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format"),
    "a json object": ({"response_format": {"type": "json_object"}}, "response_format"),
    "functions": ({"functions": [{"name": "f"}]}, "functions"),
    "function_call": ({"function_call": "auto"}, "function_call"),
    "tool_choice": ({"tool_choice": "auto"}, "tool_choice"),
    "parallel_tool_calls": ({"parallel_tool_calls": True}, "parallel_tool_calls"),
    "audio": ({"audio": {"voice": "a", "format": "wav"}}, "audio"),
    "modalities": ({"modalities": ["text", "audio"]}, "modalities"),
    "prediction": ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
    "reasoning_effort": ({"reasoning_effort": "high"}, "reasoning_effort"),
    "web_search_options": ({"web_search_options": {}}, "web_search_options"),
    "verbosity": ({"verbosity": "low"}, "verbosity"),
    "store": ({"store": True}, "store"),
    "logprobs of a number": ({"logprobs": 3}, "logprobs"),
    "top_logprobs alone": ({"top_logprobs": 3}, "top_logprobs"),
    "too many top_logprobs": ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    "max_completion_tokens 0": ({"max_completion_tokens": 0}, "max_completion_tokens"),
    "max_completion_tokens above the cap": ({"max_completion_tokens": 513}, "max_completion_tokens"),
    "two lengths": ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens"),
    "opened and going on": (
        {"add_generation_prompt": True, "continue_final_message": True},
        "add_generation_prompt",
    ),
    "a template": ({"chat_template": "{{ messages }}"}, "chat_template"),
    "a template inside": ({"chat_template_kwargs": {"template": "x"}}, "chat_template_kwargs"),
    "echo": ({"echo": True}, "echo"),
    "best_of": ({"best_of": 2}, "best_of"),
}
COMPLETIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no prompt": ({"prompt": None}, "prompt"),
    "an empty list": ({"prompt": []}, "prompt"),
    "an empty prompt in a batch": ({"prompt": [[5], []]}, "prompt"),
    "texts and ids": ({"prompt": ["a", 1]}, "prompt"),
    "a token that is none": ({"prompt": [100_000]}, "prompt"),
    "a negative token": ({"prompt": [-1]}, "prompt"),
    "too many prompts": ({"prompt": ["a"] * 9}, "prompt"),
    "messages": ({"messages": []}, "messages"),
    "suffix": ({"suffix": "the end"}, "suffix"),
    "best_of below n": ({"n": 3, "best_of": 2}, "best_of"),
    "best_of too large": ({"best_of": 33}, "best_of"),
    "too many logprobs": ({"logprobs": 21}, "logprobs"),
    "logprobs of a chat": ({"logprobs": True}, "logprobs"),
    "top_logprobs": ({"top_logprobs": 1}, "top_logprobs"),
    "max_completion_tokens": ({"max_completion_tokens": 4}, "max_completion_tokens"),
    "response_format": ({"response_format": {"type": "text"}}, "response_format"),
    "nothing drawn in a stream": ({"max_tokens": 0, "stream": True}, "max_tokens"),
}
CASES = [
    pytest.param(kind, fields, param, id=f"{kind}: {name}")
    for kinds, table in ((KINDS, BOTH), (("chat",), CHATS), (("completions",), COMPLETIONS))
    for kind in kinds
    for name, (fields, param) in table.items()
]


def refusal(talk: Talk, kind: str, fields: dict[str, Any]) -> openai.BadRequestError:
    """Sent as `extra_body`, which stands above what the client itself would send."""
    with pytest.raises(openai.BadRequestError) as caught:
        talk.ask(kind, "hello", fields if any("tokens" in name for name in fields) else fields | {"max_tokens": 2})
    return caught.value


@pytest.mark.parametrize(("kind", "fields", "param"), CASES)
def test_a_field_is_refused_by_name(kind: str, fields: dict[str, Any], param: str, talk: Talk) -> None:
    error = refusal(talk, kind, fields)
    assert (error.status_code, error.param, error.type) == (400, param, "invalid_request_error")
    body = error.body
    assert isinstance(body, dict) and set(body) == {"message", "type", "param", "code"}
    assert param.split(".")[-1] in body["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_says_what_and_how_much(kind: str, talk: Talk) -> None:
    message = str(refusal(talk, kind, {"n": 33}))
    assert "33" in message and "32" in message


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_the_context(kind: str, talk: Talk) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        talk.ask(kind, "z" * 300, max_tokens=2)
    assert caught.value.code == "context_length_exceeded"
    assert "256" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["gpt-4", "", "builtin", "../polyglot", "polyglot/", "Polyglot"])
def test_a_model_that_is_not_here(kind: str, name: str, talk: Talk) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        talk.ask(kind, "hello", model=name)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/nothing", "/v1/completions/x", "/playground/../app.py"])
def test_no_such_path(path: str, served: Served) -> None:
    with served.http() as client:
        answer = client.get(path)
    assert answer.status_code == 404
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("verb", "path"), [("GET", "/v1/completions"), ("PUT", "/v1/score"), ("POST", "/healthz")])
def test_the_wrong_verb(verb: str, path: str, served: Served) -> None:
    with served.http() as client:
        answer = client.request(verb, path, json={})
    assert answer.status_code == 405
    assert answer.json()["error"]["message"]
    assert answer.headers["allow"]


@pytest.mark.parametrize("key", ["wrong", KEYS[0][:-1], KEYS[0] + "x", KEYS[0].upper(), "ключ".encode().hex()])
def test_the_wrong_key(key: str, locked: Served) -> None:
    options = {"base_url": f"{locked.url}/v1", "max_retries": 0}
    with openai.OpenAI(api_key=key, **options) as client, pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()
    assert caught.value.response.headers["www-authenticate"].startswith("Bearer")
    assert key not in str(caught.value)


@pytest.mark.parametrize("key", KEYS)
def test_the_right_key(key: str, locked: Served) -> None:
    with openai.OpenAI(api_key=key, base_url=f"{locked.url}/v1", max_retries=0) as client:
        assert client.completions.create(model=locked.model, prompt="hello", max_tokens=1).choices
