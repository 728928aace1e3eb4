"""What a model's makers recommend for sampling from it: generation_config.json."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ramify.core.errors import BadInput, CheckpointError
from ramify.core.sampling import Sampling
from ramify.model.files import read_optional_json, token_ids

T = TypeVar("T")

# settings that change the text and that no `Sampling` expresses, each with the value that changes nothing
UNMET: Mapping[str, Any] = {
    "num_beams": 1,
    "num_beam_groups": 1,
    "penalty_alpha": None,
    "dola_layers": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "top_h": None,
    "no_repeat_ngram_size": 0,
    "min_length": 0,
    "min_new_tokens": None,
    "guidance_scale": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "bad_words_ids": None,
    "sequence_bias": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "exponential_decay_length_penalty": None,
}


@dataclass(frozen=True, kw_only=True)
class GenerationDefaults:
    """A generation_config.json, strictly read; None is what it does not say.

    Args:
        do_sample: False is greedy.
        max_new_tokens: most tokens generated. max_length: the same with the prompt's counted in.
        eos_token_ids: tokens that end a text (the tokenizer's `end_ids` include them).
        unmet: settings of the file that change the text and that are not followed, for a caller to show.
    """

    do_sample: bool | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int | None = None
    max_length: int | None = None
    stop_strings: tuple[str, ...] = ()
    eos_token_ids: tuple[int, ...] = ()
    unmet: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path) -> "GenerationDefaults":
        """Read a folder; one without the file recommends nothing.

        Raises:
            CheckpointError: a value has the wrong type or is out of range.
        """
        path = Path(folder) / "generation_config.json"
        config = read_optional_json(path)
        stop = config.get("stop_strings") or ()
        defaults = cls(
            do_sample=_typed(path, config, "do_sample", bool),
            temperature=_typed(path, config, "temperature", float),
            top_k=_typed(path, config, "top_k", int),
            top_p=_typed(path, config, "top_p", float),
            min_p=_typed(path, config, "min_p", float),
            repetition_penalty=_typed(path, config, "repetition_penalty", float),
            max_new_tokens=_typed(path, config, "max_new_tokens", int),
            max_length=_typed(path, config, "max_length", int),
            stop_strings=(stop,) if isinstance(stop, str) else tuple(stop),
            eos_token_ids=token_ids(config.get("eos_token_id"), f"{path}: eos_token_id"),
            unmet={k: config[k] for k, neutral in UNMET.items() if config.get(k) not in (None, neutral)},
        )
        try:
            Sampling(**defaults.sampling_options())
        except BadInput as error:
            raise CheckpointError(f"{path}: {error}") from error
        return defaults

    def sampling_options(self) -> dict[str, Any]:
        """Keywords for `Sampling`: only what the file says. `do_sample: false` is temperature 0.

        `max_length` is left to the engine, which knows the prompt's length and the context's end.
        """
        names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
        said = {name: value for name, value in asdict(self).items() if name in names and value is not None}
        if self.do_sample is False:
            said["temperature"] = 0.0
        if self.max_new_tokens is not None:
            said["max_tokens"] = self.max_new_tokens
        if self.stop_strings:
            said["stop"] = self.stop_strings
        return said


def _typed(path: Path, config: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    value = config.get(name)
    if value is None:
        return None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise CheckpointError(f"{path}: {name} is {value!r}, {kind.__name__} is expected")
    return value
