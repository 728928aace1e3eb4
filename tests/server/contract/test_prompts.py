"""What a prompt may be: texts, token ids, batches of either, conversations."""

from typing import Any

import pytest

import ramify
from tests.server.serving import Served
from tests.server.talking import Talk, text_of, texts_of

TEXTS = ["Grüße", "Привет, мир", "世界。", "😀"]
ON = {"extra": {"ignore_eos": True}}
CHAT = [
    {"role": "system", "content": "Kurz."},
    {"role": "user", "content": "¿El niño?"},
    {"role": "assistant", "content": "Привет"},
]


def ids(served: Served, body: Any) -> list[int]:
    body = {"prompt": body} if isinstance(body, str) else body
    return list(served.post("/tokenize", body).json()["tokens"])


def test_token_ids_are_a_prompt(talk: Talk, served: Served) -> None:
    options = {"max_tokens": 8, "seed": 1, **ON}
    text, tokens = (talk.ask("completions", prompt, **options) for prompt in (TEXTS[0], ids(served, TEXTS[0])))
    assert texts_of(text) == texts_of(tokens)
    assert text.usage == tokens.usage


def test_ids_that_no_text_spells(talk: Talk, lm: ramify.LM) -> None:
    """Half a character, and bytes that would have been merged: ids are taken as they are."""
    half = lm.encode("世")[:2]
    spelled = lm.encode("t") + lm.encode("h")
    for prompt in (half, spelled):
        answer = talk.ask("completions", prompt, max_tokens=6, seed=2)
        assert answer.usage.prompt_tokens == 2
        assert texts_of(answer) == [lm.search(prompt, seed=2, max_tokens=6).text]


@pytest.mark.parametrize("as_ids", [False, True])
@pytest.mark.parametrize("n", [1, 3])
def test_a_batch(as_ids: bool, n: int, talk: Talk, served: Served, lm: ramify.LM) -> None:
    prompts = [ids(served, text) for text in TEXTS] if as_ids else TEXTS
    answer = talk.ask("completions", prompts, n=n, max_tokens=6, seed=5, **ON)
    assert [choice.index for choice in answer.choices] == list(range(len(TEXTS) * n))
    wanted = lm.search_many(TEXTS, "sample", n=n, max_tokens=6, seed=5, ignore_eos=True)
    assert texts_of(answer) == [candidate.text for result in wanted for candidate in result.candidates]
    assert answer.usage.prompt_tokens == sum(len(lm.encode(text)) for text in TEXTS)
    assert answer.usage.completion_tokens == len(TEXTS) * n * 6


def test_a_batch_of_one_is_its_prompt(talk: Talk) -> None:
    batch, one = (talk.ask("completions", prompt, max_tokens=8, seed=1) for prompt in ([TEXTS[1]], TEXTS[1]))
    assert texts_of(batch) == texts_of(one)


def test_a_batch_of_equal_prompts_draws_anew_for_each(talk: Talk) -> None:
    answer = talk.ask("completions", [TEXTS[0]] * 4, max_tokens=16, seed=1, **ON)
    assert len(set(texts_of(answer))) == 4


def test_a_batch_streams_under_its_indexes(talk: Talk) -> None:
    options = {"n": 2, "max_tokens": 5, "seed": 5, **ON}
    whole = texts_of(talk.ask("completions", TEXTS[:2], **options))
    pieces: dict[int, str] = {}
    for chunk in talk.stream("completions", TEXTS[:2], **options):
        for choice in chunk.choices:
            pieces[choice.index] = pieces.get(choice.index, "") + text_of(choice)
    assert [pieces[index] for index in range(4)] == whole


def test_a_conversation_is_rendered_by_the_models_template(talk: Talk, lm: ramify.LM) -> None:
    answer = talk.ask("chat", CHAT[:2], max_tokens=8, seed=3)
    assert texts_of(answer) == [lm.search(CHAT[:2], seed=3, max_tokens=8).text]
    written = "<|im_start|>system\nKurz.<|im_end|>\n<|im_start|>user\n¿El niño?<|im_end|>\n<|im_start|>assistant\n"
    assert texts_of(talk.ask("completions", written, max_tokens=8, seed=3)) == texts_of(answer)


def test_text_parts_are_text(talk: Talk) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "El "}, {"type": "text", "text": "niño"}]}]
    whole = [{"role": "user", "content": "El niño"}]
    first, second = (talk.ask("chat", messages, max_tokens=8, seed=3) for messages in (parts, whole))
    assert texts_of(first) == texts_of(second)
    assert first.usage == second.usage


def test_the_final_message_goes_on(talk: Talk, lm: ramify.LM) -> None:
    asked = {"continue_final_message": True, "add_generation_prompt": False}
    answer = talk.ask("chat", CHAT, asked, max_tokens=8, seed=3)
    rendered = lm.chat.render(CHAT, continue_final_message=True)
    assert rendered.endswith("assistant\nПривет")
    assert texts_of(answer) == texts_of(talk.ask("completions", rendered, max_tokens=8, seed=3))


@pytest.mark.parametrize("opened", [False, True])
def test_whether_the_assistants_turn_is_opened(opened: bool, talk: Talk, lm: ramify.LM) -> None:
    answer = talk.ask("chat", CHAT[:2], {"add_generation_prompt": opened}, max_tokens=8, seed=3)
    rendered = lm.chat.render(CHAT[:2], add_generation_prompt=opened)
    assert rendered.endswith("assistant\n") == opened
    assert answer.usage.prompt_tokens == len(lm.encode(rendered))


def test_variables_of_the_template(talk: Talk) -> None:
    """This template knows none but its own; a further one changes nothing, and is no error to it."""
    plain = talk.ask("chat", CHAT[:2], max_tokens=4, seed=1)
    more = talk.ask("chat", CHAT[:2], {"chat_template_kwargs": {"enable_thinking": False}}, max_tokens=4, seed=1)
    assert texts_of(plain) == texts_of(more)


def test_special_tokens_in_a_message_stay_text(talk: Talk, served: Served) -> None:
    """Only the template ends a turn."""
    spelled = ids(served, {"messages": [{"role": "user", "content": "<|im_end|>"}]})
    plain = ids(served, {"messages": [{"role": "user", "content": ""}]})
    (end,) = ids(served, "<|im_end|>")
    assert spelled.count(end) == plain.count(end)
    assert talk.ask("chat", "<|im_end|>", max_tokens=1).usage.prompt_tokens == len(spelled)
