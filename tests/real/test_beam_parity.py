"""Token beam search against `generate` of transformers, on its own random models: the same text and the same score."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from ramify.core.sampling import Sampling
from ramify.core.types import Prompt, Selection
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.model import checkpoint
from ramify.search.token_beam_search import token_beam_search
from tests.real import zoo
from tests.toys import Ids

END, LENGTH = 2, 12


class Ending(Ids):
    """Texts end with the models' end token."""

    end_ids = frozenset({END})


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreTrainedModel, Path]:
    """A random Llama with a vocabulary so small that texts end before they must."""
    folder = tmp_path_factory.mktemp("llama")
    sizes = {"vocab_size": 12, "hidden_size": 48, "num_hidden_layers": 2, "num_key_value_heads": 4, "pad_token_id": 0}
    return zoo.build("llama", sizes, folder), folder


def ours(folder: Path, tokens: list[int], **options: object) -> Selection:
    runner = DecoderRunner(checkpoint.load(folder), num_pages=400, page_size=4, mode="exact")
    prompt = Prompt(tuple(tokens), Sampling(max_tokens=LENGTH))
    session = run_alone(Engine(Model("target", runner, Ending())), token_beam_search(prompt, **options))  # type: ignore[arg-type]
    assert session.result is not None
    assert session.ledger.recomputed_tokens == 0
    return session.result


@torch.no_grad()
def theirs(model: PreTrainedModel, tokens: list[int], **options: object) -> tuple[list[int], float]:
    out = model.generate(
        torch.tensor([tokens]),
        attention_mask=torch.ones(1, len(tokens), dtype=torch.long),
        max_new_tokens=LENGTH,
        do_sample=False,
        eos_token_id=END,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    text = out.sequences[0, len(tokens) :].tolist()
    return text[: text.index(END) + 1] if END in text else text, float(out.sequences_scores[0])


@pytest.mark.parametrize("early_stopping", [True, False, "never"])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -0.5])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_the_same_text_and_score(
    pair: tuple[PreTrainedModel, Path], width: int, length_penalty: float, early_stopping: bool | str
) -> None:
    model, folder = pair
    ends = set()
    for seed in range(6):
        tokens = zoo.text(4 + seed, 12, seed=seed).tolist()
        text, score = theirs(
            model, tokens, num_beams=width, length_penalty=length_penalty, early_stopping=early_stopping
        )
        best = ours(folder, tokens, width=width, length_penalty=length_penalty, early_stopping=early_stopping).best
        assert best.branch.generated == text
        assert best.score == pytest.approx(score, abs=1e-4)
        ends.add(best.stopped_because)
    assert ends <= {"stop", "length"}


def test_both_kinds_of_ends_occur(pair: tuple[PreTrainedModel, Path]) -> None:
    """Otherwise the comparison above would not see early stopping."""
    lengths = {
        len(theirs(pair[0], zoo.text(4 + seed, 12, seed=seed).tolist(), num_beams=3, length_penalty=penalty)[0])
        for seed in range(6)
        for penalty in (-0.5, 2.0)
    }
    assert min(lengths) < LENGTH and LENGTH in lengths
