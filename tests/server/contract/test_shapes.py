"""Whole answers: objects, choices, usage, lengths."""

import re
import time

import pytest

from tests.server.conftest import NAME
from tests.server.serving import Served
from tests.server.talking import KINDS, Talk, text_of, texts_of

PROMPT = "Grüße aus 世界, "
ON = {"extra": {"ignore_eos": True}}


def test_a_completion(talk: Talk) -> None:
    answer = talk.ask("completions", PROMPT, max_tokens=8, seed=1, **ON)
    assert answer.object == "text_completion"
    assert re.fullmatch(r"cmpl-\w+", answer.id)
    assert answer.model == NAME
    assert abs(answer.created - time.time()) < 120
    (choice,) = answer.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert isinstance(choice.text, str) and choice.text
    assert not hasattr(answer, "search")


def test_a_chat(talk: Talk) -> None:
    answer = talk.ask("chat", PROMPT, max_tokens=8, seed=1, **ON)
    assert answer.object == "chat.completion"
    assert re.fullmatch(r"chatcmpl-\w+", answer.id)
    assert answer.model == NAME
    (choice,) = answer.choices
    assert (choice.index, choice.finish_reason, choice.logprobs) == (0, "length", None)
    assert choice.message.role == "assistant" and choice.message.content
    assert not choice.message.tool_calls and not choice.message.refusal


@pytest.mark.parametrize("kind", KINDS)
def test_two_answers_have_two_names(kind: str, talk: Talk) -> None:
    first, second = (talk.ask(kind, PROMPT, max_tokens=1) for _ in range(2))
    assert first.id != second.id


@pytest.mark.parametrize("n", [1, 4])
def test_usage_counts_the_prompt_once(n: int, talk: Talk, served: Served) -> None:
    count = served.post("/tokenize", {"prompt": PROMPT}).json()["count"]
    usage = talk.ask("completions", PROMPT, n=n, max_tokens=5, **ON).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (count, 5 * n, count + 5 * n)


def test_usage_of_a_chat_counts_its_template(talk: Talk, served: Served) -> None:
    messages = [{"role": "user", "content": PROMPT}]
    count = served.post("/tokenize", {"messages": messages}).json()["count"]
    assert talk.ask("chat", messages, max_tokens=1).usage.prompt_tokens == count
    assert count > served.post("/tokenize", {"prompt": PROMPT}).json()["count"]


@pytest.mark.parametrize("kind", KINDS)
def test_n_choices_are_numbered_and_differ(kind: str, talk: Talk) -> None:
    answer = talk.ask(kind, PROMPT, n=4, max_tokens=16, seed=3, **ON)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert len(set(texts_of(answer))) == 4
    assert {choice.finish_reason for choice in answer.choices} == {"length"}


def test_choices_end_for_reasons_of_their_own(talk: Talk) -> None:
    answer = talk.ask("completions", PROMPT, n=16, max_tokens=24, seed=1)
    assert {choice.finish_reason for choice in answer.choices} == {"stop", "length"}
    assert answer.usage.completion_tokens < 16 * 24


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 3])
def test_max_tokens(kind: str, length: int, talk: Talk) -> None:
    answer = talk.ask(kind, PROMPT, max_tokens=length, **ON)
    assert answer.usage.completion_tokens == length
    assert answer.choices[0].finish_reason == "length"


def test_max_completion_tokens_is_the_chats_name_of_it(talk: Talk) -> None:
    short = talk.ask("chat", PROMPT, max_completion_tokens=3, seed=5, **ON)
    assert short.usage.completion_tokens == 3
    assert texts_of(short) == texts_of(talk.ask("chat", PROMPT, max_tokens=3, seed=5, **ON))


def test_a_completion_of_no_stated_length_has_sixteen_tokens(talk: Talk) -> None:
    assert talk.ask("completions", PROMPT, **ON).usage.completion_tokens == 16


def test_a_chat_of_no_stated_length_ends_with_the_context(talk: Talk, served: Served) -> None:
    (entry,) = [each for each in talk.client.models.list().data if each.id == served.model]
    answer = talk.ask("chat", PROMPT, **ON)
    assert answer.usage.total_tokens == entry.max_model_len
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_best_of_returns_the_likeliest(temperature: float, talk: Talk) -> None:
    options = {"max_tokens": 8, "seed": 7, "temperature": temperature, "logprobs": 0, **ON}
    every = talk.ask("completions", PROMPT, n=6, **options).choices
    mean = {text_of(choice): sum(choice.logprobs.token_logprobs) / 8 for choice in every}
    best = talk.ask("completions", PROMPT, n=2, best_of=6, **options)
    assert texts_of(best) == sorted(mean, key=lambda text: -mean[text])[:2] or temperature == 0
    assert mean[texts_of(best)[0]] == max(mean.values())
    assert [choice.index for choice in best.choices] == [0, 1]
    assert best.usage.completion_tokens == 6 * 8


def test_best_of_one_is_nothing_special(talk: Talk) -> None:
    one, plain = (talk.ask("completions", PROMPT, seed=2, max_tokens=8, **best) for best in ({"best_of": 1}, {}))
    assert texts_of(one) == texts_of(plain)


@pytest.mark.parametrize("kind", KINDS)
def test_token_ids_come_back_when_asked_for(kind: str, talk: Talk, served: Served) -> None:
    asked = {"return_token_ids": True, "ignore_eos": True}
    answer = talk.ask(kind, PROMPT, asked, n=2, max_tokens=6, seed=4)
    for choice in answer.choices:
        assert len(choice.token_ids) == 6
        written = served.post("/detokenize", {"tokens": choice.token_ids}).json()["prompt"]
        assert written.replace("<|im_end|>", "") == text_of(choice)
    assert not hasattr(talk.ask(kind, PROMPT, max_tokens=1).choices[0], "token_ids")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["req.1-a_b", "x" * 128])
def test_the_clients_own_request_id(kind: str, name: str, talk: Talk) -> None:
    answer = talk.ask(kind, PROMPT, max_tokens=1, extra_headers={"x-request-id": name})
    assert answer._request_id == name


@pytest.mark.parametrize("name", [None, "two words", "x" * 129, "line%0d%0abreak"])
def test_a_request_id_is_made_where_there_is_no_good_one(name: str | None, talk: Talk) -> None:
    headers = {"x-request-id": name} if name else {}
    made = talk.ask("completions", PROMPT, max_tokens=1, extra_headers=headers)._request_id
    assert made != name
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,128}", made)
