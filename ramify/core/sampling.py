"""How a row of logits becomes a token: the caller's wishes, validated once, frozen.

`Sampling` is what a caller asks for; its `Rule` is the part that shapes a row's law. Rows with equal rules are
transformed together, and nothing else about a request matters to a row.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole

MAX_TOKENS = 1 << 20
MAX_TOKEN_ID = (1 << 31) - 1
TokenRun = tuple[int, ...]
LogprobsMode = Literal["raw", "processed", "both"]


@dataclass(frozen=True)
class Rule:
    """What makes a row of logits its final law, in order: penalties, bias, bans, temperature, top-k, top-p, min-p."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    bad_runs: tuple[TokenRun, ...] = ()

    @property
    def reads_path(self) -> bool:
        """Whether the law of a row depends on which tokens came before it, beyond the model."""
        penalised = self.repetition_penalty != 1.0 or self.presence_penalty != 0.0 or self.frequency_penalty != 0.0
        return penalised or any(len(run) > 1 for run in self.bad_runs)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Sampling parameters of one request.

    Args:
        temperature: 0 is greedy (the one-hot law at the largest logit, lowest id on ties).
        top_k: keep the k largest; 0 keeps all. top_p: smallest set of mass >= top_p, in (0, 1].
        min_p: drop what has less than min_p times the largest probability, in [0, 1].
        repetition_penalty: > 0, over prompt and generated tokens (arXiv:1909.05858).
        presence_penalty, frequency_penalty: in [-2, 2], over generated tokens, as OpenAI defines them.
        logit_bias: token id -> addend in [-100, 100]. bad_words: texts never completed.
        seed: same seed, same text; None draws one, which the result reports.
        stop: texts that end a branch (not part of its text); stop_token_ids: tokens that do.
        ignore_eos: do not stop at the model's end tokens.
        max_tokens: most tokens generated; None is up to the context's end.
        logprobs: also return each token's log-probability and this many alternatives (0 to 20).
        logprobs_mode: "raw" is the model's own law, "processed" the one that was drawn from; "both" keeps the raw one
            and, as `drawn`, the other.
        prompt_logprobs: the same for the prompt's tokens (raw; the first has none).

    Raises:
        BadInput: a value outside its range, naming the field.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    bad_words: tuple[str, ...] = ()
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    max_tokens: int | None = None
    logprobs: int | None = None
    logprobs_mode: LogprobsMode = "raw"
    prompt_logprobs: int | None = None

    def __post_init__(self) -> None:
        finite("temperature", self.temperature, 0.0, 100.0)
        whole("top_k", self.top_k, 0, MAX_TOKENS)
        finite("top_p", self.top_p, 0.0, 1.0)
        if self.top_p == 0.0:
            raise BadInput("top_p", "0 keeps no token; it is in (0, 1]")
        finite("min_p", self.min_p, 0.0, 1.0)
        if finite("repetition_penalty", self.repetition_penalty, 0.0, 100.0) == 0.0:
            raise BadInput("repetition_penalty", "it divides logits; it must be above 0")
        finite("presence_penalty", self.presence_penalty, -2.0, 2.0)
        finite("frequency_penalty", self.frequency_penalty, -2.0, 2.0)
        if not isinstance(self.logit_bias, Mapping):
            raise BadInput("logit_bias", f"a mapping of token ids to addends is expected, not {self.logit_bias!r}")
        for token, bias in self.logit_bias.items():
            whole("logit_bias", token, 0, MAX_TOKEN_ID)
            finite(f"logit_bias[{token}]", bias, -100.0, 100.0)
        for token in self._listed("stop_token_ids"):
            whole("stop_token_ids", token, 0, MAX_TOKEN_ID)
        if self.seed is not None:
            whole("seed", self.seed, -(1 << 63), (1 << 64) - 1)
        if self.max_tokens is not None:
            whole("max_tokens", self.max_tokens, 1, MAX_TOKENS)
        for name in ("logprobs", "prompt_logprobs"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), 0, 20)
        if self.logprobs_mode not in ("raw", "processed", "both"):
            raise BadInput("logprobs_mode", f"{self.logprobs_mode!r} is neither 'raw' nor 'processed' nor 'both'")
        if not isinstance(self.ignore_eos, bool):
            raise BadInput("ignore_eos", f"{self.ignore_eos!r} is neither True nor False")
        for name in ("stop", "bad_words"):
            if any(not isinstance(text, str) or not text for text in self._listed(name)):
                raise BadInput(name, "texts are expected, and an empty one would always match")

    def _listed(self, name: str) -> Iterable[Any]:
        values = getattr(self, name)
        if isinstance(values, str) or not isinstance(values, Sequence):
            raise BadInput(name, f"a tuple is expected, not {values!r}")
        return values

    def rule(self, bad_runs: tuple[TokenRun, ...] = ()) -> Rule:
        """The row transform; `bad_runs` are the bad words as a tokenizer spells them."""
        return Rule(
            self.temperature,
            self.top_k,
            self.top_p,
            self.min_p,
            self.repetition_penalty,
            self.presence_penalty,
            self.frequency_penalty,
            tuple(sorted(self.logit_bias.items())),
            bad_runs,
        )
