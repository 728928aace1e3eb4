"""`transformers`' assisted generation over the same two models, as its users call it."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LlamaForCausalLM
from transformers.utils import logging

from ramify.api.sources import folder_of

untyped: Any = logging


class Assisted:
    """A target with an assistant, greedy, one prompt at a time (more it does not take)."""

    def __init__(self, target: str, draft: str) -> None:
        untyped.set_verbosity_error()
        untyped.disable_progress_bar()
        self.target, self.draft = (self._load(name) for name in (target, draft))

    @torch.inference_mode()
    def answer(self, tokens: Sequence[int], most: int) -> list[int]:
        """The generated tokens, the end token included."""
        prompt_1T = torch.tensor([list(tokens)])
        whole_1T = self.target.generate(
            prompt_1T, assistant_model=self.draft, do_sample=False, max_new_tokens=most,
            attention_mask=torch.ones_like(prompt_1T),
        )  # fmt: skip
        return [int(token) for token in whole_1T[0, len(tokens) :]]

    def _load(self, name: str) -> Any:
        model: Any = LlamaForCausalLM.from_pretrained(folder_of(name), dtype=torch.float32)
        return model.eval()
