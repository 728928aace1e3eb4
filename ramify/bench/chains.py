"""One Markov chain over texts as the papers' code runs it: a proposal at a time, the prefix read again for each."""

from collections.abc import Callable
from math import log
from random import Random
from typing import Any

import torch
from transformers import LlamaForCausalLM
from transformers.utils import logging

from ramify.api import LM
from ramify.api.sources import folder_of
from ramify.core.sampling import Sampling
from ramify.core.types import Branch, Prompt, TokenLogprob

untyped: Any = logging
LogWeight = Callable[[Branch], float]


class Generate:
    """Texts drawn by `transformers`, which reads what stands before them each time."""

    def __init__(self, model: str) -> None:
        untyped.set_verbosity_error()
        untyped.disable_progress_bar()
        loaded: Any = LlamaForCausalLM.from_pretrained(folder_of(model), dtype=torch.float32)
        self.model = loaded.eval()

    @torch.inference_mode()
    def extend(self, branch: Branch) -> None:
        """Draw the branch to its end."""
        text_1T = torch.tensor([branch.tokens])
        out = self.model.generate(
            text_1T, attention_mask=torch.ones_like(text_1T), do_sample=True, top_k=0, top_p=1.0,
            temperature=branch.sampling.temperature, max_new_tokens=branch.max_length - len(branch.tokens),
            output_logits=True, return_dict_in_generate=True,
        )  # fmt: skip
        drawn = [int(token) for token in out.sequences[0, len(branch.tokens) :]]
        if branch.sampling.logprobs is not None:
            raw_TV = torch.cat(out.logits).log_softmax(-1)
            cold_TV = (raw_TV / branch.sampling.temperature).log_softmax(-1)
            branch.logprobs += [
                TokenLogprob(t, float(raw_TV[i, t]), (), float(cold_TV[i, t])) for i, t in enumerate(drawn)
            ]
        branch.tokens += drawn
        branch.finish = "stop" if len(branch.tokens) < branch.max_length else "length"


class Loop:
    """One chain. The reward reads every text from its first token; `by` draws, or else this engine itself.

    The engine's pages are so large that no prefix is ever found again, and a text is dropped as soon as it was weighed.
    """

    def __init__(self, lm: LM, prompt: str, reward: str, seed: int, by: Generate | None = None) -> None:
        self.lm, self.tokens, self.seed, self.by = lm, tuple(lm.encode(prompt)), seed, by
        self.reward, self.dice, self.made = lm.reward(reward), Random(seed), 0
        torch.manual_seed(seed)

    def qalign(self, steps: int) -> int:
        """Metropolis-Hastings on p(y) exp(r(y)); returns how often it moved."""
        return self._chain(Sampling(), steps, lambda y: self.lm.engine.score([y], self.reward)[0])

    def power(self, steps: int, alpha: float) -> int:
        """Metropolis-Hastings on p(y)^alpha, proposals at temperature 1 / alpha; returns how often it moved."""

        def log_weight(y: Branch) -> float:
            return sum(alpha * entry.logprob - (entry.drawn or 0.0) for entry in y.logprobs)

        return self._chain(Sampling(temperature=1 / alpha, logprobs=0, logprobs_mode="both"), steps, log_weight)

    def _chain(self, sampling: Sampling, steps: int, log_weight: LogWeight) -> int:
        (y, weight), moved = self._draw(sampling, None, 0, log_weight), 0
        for _ in range(steps):
            new, proposed = self._draw(sampling, y, self.dice.randrange(y.num_generated), log_weight)
            if log(self.dice.random() or 1e-300) < proposed - weight + log(y.num_generated / new.num_generated):
                y, weight, moved = new, proposed, moved + 1
        return moved

    def _draw(self, sampling: Sampling, y: Branch | None, cut: int, log_weight: LogWeight) -> tuple[Branch, float]:
        """A text that begins as `y` does, and its weight."""
        self.made += 1
        engine = self.lm.engine
        branch = engine.open(Prompt(self.tokens, sampling, self.seed + self.made))
        if y is not None:
            branch.tokens += y.generated[:cut]
            branch.logprobs += y.logprobs[:cut]
        if self.by is not None:
            self.by.extend(branch)
        else:
            engine.advance([branch], branch.max_length - len(branch.tokens))
        weight = log_weight(branch)
        engine.drop([branch])
        return branch, weight
