"""The same weights in ramify and in `transformers`, side by side.

B prompts, T tokens each
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from ramify.core.sampling import Sampling
from ramify.core.types import Branch, Prompt
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.model import checkpoint

SHAPE_110M: dict[str, Any] = {
    "vocab_size": 32_000, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12,
    "num_attention_heads": 12, "num_key_value_heads": 12, "max_position_embeddings": 2048, "tie_word_embeddings": True,
}  # fmt: skip
untyped: Any = logging
Peer = Any  # a transformers model
Ask = dict[str, Any]


class NoText:
    """A codec for weights that know no words: nothing ends a text but its length."""

    end_ids: frozenset[int] = frozenset()
    begin_id = None

    def encode(self, text: str, add_begin: bool = True) -> list[int]:
        """Numbers, as text."""
        return [int(word) for word in text.split()]

    def encode_after(self, text: str, add_begin: bool = False) -> list[int]:
        """The same."""
        return self.encode(text)

    def decode(self, ids: Any) -> str:
        """Numbers, as text."""
        return " ".join(map(str, ids))

    def continuation(self, context: Any, ids: Any) -> str:
        """The same."""
        return self.decode(ids)


@contextmanager
def same_weights(seed: int) -> Iterator[Path]:
    """A folder with a random Llama of 110M parameters in bf16, for as long as it is needed."""
    untyped.set_verbosity_error()
    untyped.disable_progress_bar()
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        model: Peer = LlamaForCausalLM(LlamaConfig(**SHAPE_110M))
        model.to(torch.bfloat16).save_pretrained(folder)
        yield Path(folder)


def engine_of(folder: Path, *, num_pages: int, row_budget: int, share_prefixes: bool = True) -> Engine:
    """Our engine over the folder's weights, in bf16."""
    weights = checkpoint.load(folder, dtype=torch.bfloat16)
    runner = DecoderRunner(weights, num_pages=num_pages, share_prefixes=share_prefixes)
    return Engine(Model("target", runner, NoText()), row_budget=row_budget)


def prompts_of(tokens_BT: Tensor, temperature: float) -> list[Prompt]:
    """Prompts whose branches go on for as long as they are asked to."""
    sampling = Sampling(temperature=temperature, ignore_eos=True)
    return [Prompt(tuple(tokens_T.tolist()), sampling, request=i) for i, tokens_T in enumerate(tokens_BT)]


def advance_to(engine: Engine, branches: list[Branch], new_tokens: int) -> None:
    """Let every branch have `new_tokens` tokens of its own."""
    left = new_tokens - branches[0].num_generated
    if left > 0:
        engine.advance(branches, left)


class Transformers:
    """`generate` of one attention implementation, in two pieces: the prompt and its first token, and the rest."""

    def __init__(self, folder: Path, attention: str, *, sample: bool = False) -> None:
        loaded: Peer = LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation=attention)
        loaded.generation_config.eos_token_id = None
        self.attention, self.model = attention, loaded.eval()
        law: Ask = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0} if sample else {"do_sample": False}
        self._ask = law | {"return_dict_in_generate": True, "pad_token_id": 0}
        self._state: Any = None

    @torch.inference_mode()
    def prefill(self, tokens_BT: Tensor, copies: int = 1) -> None:
        """Read the prompts and draw one token, then stand for `copies` of each."""
        state = self.model.generate(tokens_BT, max_new_tokens=1, **self._ask)
        state.past_key_values.batch_repeat_interleave(copies)
        state.sequences = state.sequences.repeat_interleave(copies, 0)
        self._state = state

    @torch.inference_mode()
    def decode(self, new_tokens: int) -> None:
        """`new_tokens` more tokens for every sequence."""
        self._state = self.model.generate(
            self._state.sequences, past_key_values=self._state.past_key_values, max_new_tokens=new_tokens, **self._ask
        )


def quickest(folder: Path, tokens_BT: Tensor, *, copies: int = 1, sample: bool = False) -> Transformers:
    """The faster of transformers' two ways of attending for prompts like these."""
    found = list[tuple[float, Transformers]]()
    for attention in ("sdpa", "eager"):
        peer = Transformers(folder, attention, sample=sample)
        peer.prefill(tokens_BT, copies)
        peer.decode(2)
        found.append((statistics.median(_timed(peer) for _ in range(3)), peer))
    return min(found, key=lambda pair: pair[0])[1]


def _timed(peer: Transformers) -> float:
    begin = time.perf_counter()
    peer.decode(2)
    return time.perf_counter() - begin
