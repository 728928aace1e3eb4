"""Log-probabilities: both shapes, raw and processed, of drawn tokens and of prompts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

import ramify
from tests.server.talking import KINDS, Talk, text_of

PROMPT = "El niño, 世界 "
LONG = {"max_tokens": 12, "seed": 6}
ON = {"ignore_eos": True}


def drawn(kind: str, answer: Any, index: int = 0) -> list[float]:
    """The log-probability of each token, in either shape."""
    logprobs = answer.choices[index].logprobs
    return list(logprobs.token_logprobs) if kind == "completions" else [e.logprob for e in logprobs.content]


def wish(kind: str, top: int) -> dict[str, Any]:
    return {"logprobs": top} if kind == "completions" else {"logprobs": True, "top_logprobs": top}


@pytest.fixture(scope="module")
def reference(folders: Path) -> LlamaForCausalLM:
    """The writer, as `transformers` reads it."""
    return LlamaForCausalLM.from_pretrained(folders / "writer", dtype=torch.float32)


def read(reference: LlamaForCausalLM, ids: list[int]) -> list[float]:
    """log p of every token but the first."""
    with torch.no_grad():
        logp = reference(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [float(logp[i, token]) for i, token in enumerate(ids[1:])]


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_the_models(kind: str, talk: Talk, lm: ramify.LM, reference: LlamaForCausalLM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    answer = talk.ask(kind, prompt, ON | {"return_token_ids": True}, **wish(kind, 3), **LONG)
    ids = [*lm.encode(prompt), *answer.choices[0].token_ids]
    assert drawn(kind, answer) == pytest.approx(read(reference, ids)[-12:], abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_raw_ones_do_not_depend_on_the_sampling(kind: str, talk: Talk, lm: ramify.LM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    sampling = {"temperature": 0.5, "presence_penalty": 1.0}
    for mode, said in ((None, {}), ("raw", {"logprobs_mode": "raw"}), ("processed", {"logprobs_mode": "processed"})):
        answer = talk.ask(kind, prompt, ON | said, **wish(kind, 2), **LONG, **sampling)
        result = lm.search(prompt, **LONG, **ON, **sampling, logprobs=2, logprobs_mode=mode or "raw")
        assert drawn(kind, answer) == pytest.approx([entry.logprob for entry in result.best.logprobs], abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_processed_ones_are_of_what_was_kept(kind: str, talk: Talk) -> None:
    """Of two tokens that top-k keeps the probabilities sum to one; the model's own do not."""
    sums = {}
    for mode in ("raw", "processed"):
        answer = talk.ask(kind, PROMPT, ON | {"top_k": 2, "logprobs_mode": mode}, **wish(kind, 2), **LONG)
        logprobs = answer.choices[0].logprobs
        rows = [list(t.values()) for t in logprobs.top_logprobs] if kind == "completions" else None
        rows = rows or [[top.logprob for top in entry.top_logprobs] for entry in logprobs.content]
        sums[mode] = [float(torch.tensor(row).exp().sum()) for row in rows if len(row) == 2]
    assert sums["processed"] == pytest.approx([1.0] * len(sums["processed"]), abs=1e-4) and sums["processed"]
    assert min(sums["raw"]) < 0.99


@pytest.mark.parametrize("n", [1, 2])
def test_legacy_arrays(n: int, talk: Talk) -> None:
    answer = talk.ask("completions", PROMPT, ON, n=n, logprobs=3, **LONG)
    for choice in answer.choices:
        arrays = choice.logprobs
        assert len(arrays.tokens) == len(arrays.token_logprobs) == len(arrays.top_logprobs) == len(arrays.text_offset)
        assert len(arrays.tokens) == 12
        for token, logprob, top in zip(arrays.tokens, arrays.token_logprobs, arrays.top_logprobs, strict=True):
            assert logprob <= 0
            assert top[token] == logprob
            assert 3 <= len(top) <= 4
            assert sorted(top.values(), reverse=True)[0] == max(top.values()) <= 0


def test_legacy_offsets_say_where_in_the_text_a_token_begins(talk: Talk) -> None:
    """A token that goes on with a character begins where the character does."""
    (choice,) = talk.ask("completions", PROMPT, ON, logprobs=0, echo=True, **LONG).choices
    offsets, tokens = choice.logprobs.text_offset, choice.logprobs.tokens
    assert offsets[0] == 0 and offsets == sorted(offsets) and offsets[-1] <= len(choice.text)
    plain = [(token, at) for token, at in zip(tokens, offsets, strict=True) if token.isascii() and token.isprintable()]
    assert len(plain) > 5
    for token, at in plain:
        if not token.startswith("bytes:"):
            assert choice.text[at : at + len(token)] == token


def test_no_alternatives_but_the_token(talk: Talk) -> None:
    (choice,) = talk.ask("completions", PROMPT, ON, logprobs=0, **LONG).choices
    assert len(choice.logprobs.token_logprobs) == 12
    assert not choice.logprobs.top_logprobs or all(len(top) == 1 for top in choice.logprobs.top_logprobs)


@pytest.mark.parametrize("top", [None, 0, 4, 20])
def test_content_of_chats(top: int | None, talk: Talk) -> None:
    options = {} if top is None else {"top_logprobs": top}
    (choice,) = talk.ask("chat", PROMPT, ON, logprobs=True, **options, **LONG).choices
    entries = choice.logprobs.content
    assert len(entries) == 12
    written = b"".join(bytes(entry.bytes or []) for entry in entries)
    assert written.decode("utf-8", "replace") == text_of(choice)
    for entry in entries:
        ranked = [alternative.logprob for alternative in entry.top_logprobs]
        assert len(ranked) == (top or 0)
        assert ranked == sorted(ranked, reverse=True)
        own = [other.logprob for other in entry.top_logprobs if other.bytes == entry.bytes and entry.bytes is not None]
        assert own in ([], [entry.logprob])


def test_alternatives_that_are_parts_of_characters_are_told_apart(talk: Talk) -> None:
    """Their texts are no text yet; as many names as tokens."""
    prompt = {"prompt": "世界 世界", "temperature": 2.0}
    (choice,) = talk.ask("completions", prompt.pop("prompt"), ON, logprobs=20, **prompt, **LONG).choices
    assert all(len(top) >= 20 for top in choice.logprobs.top_logprobs)


@pytest.mark.parametrize("kind", KINDS)
def test_each_choice_has_its_own(kind: str, talk: Talk, lm: ramify.LM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    answer = talk.ask(kind, prompt, ON, n=3, **wish(kind, 1), **LONG)
    result = lm.search(prompt, "sample", n=3, logprobs=1, **ON, **LONG)
    for index, candidate in enumerate(result.candidates):
        assert drawn(kind, answer, index) == pytest.approx([e.logprob for e in candidate.logprobs], abs=1e-6)


@pytest.mark.parametrize("length", [0, 1])
@pytest.mark.parametrize("batch", [False, True])
def test_an_echo_with_log_probabilities(
    length: int, batch: bool, talk: Talk, lm: ramify.LM, reference: LlamaForCausalLM
) -> None:
    texts = [PROMPT, "Привет, мир", "z"] if batch else [PROMPT]
    ids = [lm.encode(text) for text in texts]
    asked = ids if batch else texts[0]
    answer = talk.ask("completions", asked, echo=True, logprobs=1, max_tokens=length, temperature=0)
    assert answer.usage.completion_tokens == length * len(texts)
    for text, tokens, choice in zip(texts, ids, answer.choices, strict=True):
        arrays, count = choice.logprobs, len(tokens)
        assert len(arrays.tokens) == len(arrays.token_logprobs) == count + length
        assert arrays.token_logprobs[0] is None and arrays.top_logprobs[0] is None
        assert sum(arrays.token_logprobs[1:count]) == pytest.approx(sum(read(reference, tokens)), abs=1e-3)
        assert choice.text.startswith(text) and (length or choice.text == text)
        assert choice.finish_reason in ("length", "stop")[: 1 + length]


def test_what_an_evaluation_harness_computes(talk: Talk, lm: ramify.LM, reference: LlamaForCausalLM) -> None:
    """log p(continuation | context), and whether greedy decoding would have written it, from the legacy arrays."""
    context = lm.encode("Grüße aus ")
    greedy = lm.search(context, "greedy", max_tokens=6, ignore_eos=True).best.token_ids
    other = (*greedy[:-1], (greedy[-1] + 1) % 256)
    rows = [[*context, *greedy], [*context, *other]]
    answer = talk.ask("completions", rows, max_tokens=1, logprobs=1, echo=True, temperature=0, seed=1234)
    for row, choice, likeliest in zip(rows, answer.choices, (True, False), strict=True):
        arrays, start = choice.logprobs, len(context)
        told = arrays.token_logprobs[start:-1]
        assert sum(told) == pytest.approx(sum(read(reference, row)[start - 1 :]), abs=1e-3)
        tops = zip(arrays.tokens[start:-1], arrays.top_logprobs[start:-1], strict=True)
        assert all(max(top, key=lambda token, top=top: top[token]) == token for token, top in tops) == likeliest


def test_an_echo_without_log_probabilities(talk: Talk) -> None:
    plain, echoed = (talk.ask("completions", PROMPT, echo=echo, **LONG).choices[0] for echo in (False, True))
    assert echoed.text == PROMPT + plain.text
    assert echoed.logprobs is None


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_of_the_prompt(kind: str, talk: Talk, lm: ramify.LM, reference: LlamaForCausalLM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    told = talk.ask(kind, prompt, {"prompt_logprobs": 2}, max_tokens=1).choices[0].prompt_logprobs
    ids = lm.encode(prompt)
    assert told[0] is None
    assert len(told) == len(ids)
    own = [entry[str(token)] for entry, token in zip(told[1:], ids[1:], strict=True)]
    assert [entry["logprob"] for entry in own] == pytest.approx(read(reference, ids), abs=1e-3)
    assert all(2 <= len(entry) <= 3 for entry in told[1:])
    assert {entry["decoded_token"] for entry in own} >= {"l", " ", "i", "o"}
