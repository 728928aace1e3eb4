"""Questions hung on a text: each sees what it would see if the text had ended there, and costs the text nothing."""

import pytest
import torch

from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.train.branched import Question, Text, log_chances
from ramify.train.initial import new_decoder
from ramify.train.ragged import RaggedCausal, Rows
from ramify.train.shapes import TINY, llama_config

from .conftest import varied

VOCABULARY = 40


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return varied(new_decoder(DecoderConfig.from_hf(llama_config(TINY.target, VOCABULARY)), 1), 1)


@pytest.fixture(autouse=True)
def in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact comparison needs fp32: autocast is switched off."""
    monkeypatch.setattr(torch, "autocast", lambda *_: torch.enable_grad())


@torch.no_grad()
def plain(decoder: Decoder, before: list[int], after: list[int]) -> float:
    """log p(after | before), a token after the other."""
    total = 0.0
    for place, token in enumerate(after):
        rows = Rows.of([[*before, *after[:place]]])
        hidden_RD = decoder(rows.tokens_R, rows.positions_R, RaggedCausal(rows))
        total += float(decoder.logits(hidden_RD[-1:]).log_softmax(-1)[0, token])
    return total


def texts() -> list[Text]:
    generator = torch.Generator().manual_seed(0)

    def ids(count: int) -> list[int]:
        drawn: list[int] = torch.randint(0, VOCABULARY, (count,), generator=generator).tolist()
        return drawn

    made = []
    for prompt, answer, afters in ((3, 9, (4, 12, 7)), (6, 0, (6,)), (2, 5, ()), (4, 4, (5, 5))):
        questions = [Question(after, ids(3), ids(1 + after % 3)) for after in afters]
        made.append(Text(ids(prompt), ids(answer), questions))
    return made


def test_each_question_is_asked_as_if_alone(decoder: Decoder) -> None:
    """Answers and choices against one token at a time, without any question beside it."""
    made = texts()
    answers_N, choices_Q = log_chances(decoder, made)
    expected = [plain(decoder, text.prompt, text.answer) for text in made]
    assert answers_N.tolist() == pytest.approx(expected, abs=1e-4)
    whole = [(text.prompt + text.answer, q) for text in made for q in text.questions]
    asked = [plain(decoder, tokens[: q.after] + q.asked, q.choice) for tokens, q in whole]
    assert choices_Q.tolist() == pytest.approx(asked, abs=1e-4)


def test_many_texts_in_chunks(decoder: Decoder) -> None:
    """More texts than a chunk holds, in the order they came."""
    made = texts() * 5
    answers_N, choices_Q = log_chances(decoder, made)
    assert torch.allclose(answers_N.view(5, -1), answers_N.view(5, -1)[:1], atol=1e-4)
    assert torch.allclose(choices_Q.view(5, -1), choices_Q.view(5, -1)[:1], atol=1e-4)
