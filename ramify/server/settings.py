"""What an operator decides: how much one request may ask for, who may ask, where calls are written down."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


def _cap(default: int | float, what: str) -> Any:
    return field(default=default, metadata={"help": what})


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Most that one request may ask for. More is refused before any work is done."""

    max_n: int = _cap(128, "Most choices (n, best_of) of a request, and most candidates of a search.")
    max_beam_width: int = _cap(64, "Most beams.")
    max_tokens: int = _cap(4096, "Most tokens a choice may have, also where a chat asks for no maximum.")
    max_prompts: int = _cap(64, "Most prompts of a request.")
    max_choices: int = _cap(512, "Most texts of a request: its prompts times the choices of each.")
    max_logprobs: int = _cap(20, "Most alternatives of each token.")
    max_stop: int = _cap(16, "Most stop texts, stop tokens and bad words of each kind.")
    max_stop_bytes: int = _cap(1024, "Longest stop text or bad word, in bytes.")
    max_logit_bias: int = _cap(1024, "Most entries of logit_bias.")
    max_body_bytes: int = _cap(1 << 20, "Largest body of a request, in bytes.")
    max_json_depth: int = _cap(24, "Deepest nesting of a request's JSON.")
    max_messages: int = _cap(512, "Most messages of a chat.")
    max_search_tokens: int = _cap(65_536, "Most tokens that one search may draw; it ends there with its best.")
    max_search_seconds: float = _cap(600.0, "Most seconds that one search may take; it ends there with its best.")
    max_waiting: int = _cap(256, "Requests that may wait to begin; beyond that the answer is 429.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a server is set up.

    Args:
        model: the name that the model goes by.
        api_keys: whoever gives one of these is let in; nobody has to if there are none.
        reward: what searches named in a model's suffix are scored by.
        rewards: names that are offered beside the built-in ones.
        local: it listens to this machine alone; then pages of other names are kept out (DNS rebinding).
        threads: cores that the engine computes on, where it says so.
        grace: seconds that running requests have to end when the server stops.
        log_prompts: write prompts and texts to the log.
    """

    model: str = "builtin"
    limits: Limits = field(default_factory=Limits)
    api_keys: tuple[str, ...] = ()
    reward: str = "builtin-prm"
    rewards: tuple[str, ...] = ()
    known: Mapping[str, Path] = field(default_factory=dict)
    draft: str | None = None
    log_db: Path | None = None
    log_prompts: bool = False
    local: bool = False
    threads: int | None = None
    grace: float = 30.0

    @property
    def caps(self) -> dict[str, int | float]:
        """The limits by name."""
        return {cap.name: getattr(self.limits, cap.name) for cap in fields(Limits)}
