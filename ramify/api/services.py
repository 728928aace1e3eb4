"""What the faces need beside a model: problems with answers, the proofs, the recipes. Loaded when first asked for."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ramify.api.lm import LM, load
from ramify.api.speculate import Speculate
from ramify.core.errors import BadInput
from ramify.core.registry import lookup
from ramify.core.strict import whole
from ramify.model.paged import Mode

MIXTURES = {"builtin": "evaluation", "builtin-hard": "hard"}


def problems(count: int, seed: int = 0, task: str | Path = "builtin") -> list[Any]:
    """Problems with known answers, each with `text`, `prompt`, `solution` and `answer`.

    Args:
        task: "builtin" is the fixed mixture that the built-in models' numbers are measured on, "builtin-hard" the hard
            end of what they know (mostly six steps), both held out from their training; else a file in GSM8K's format.

    Raises:
        BadInput: no such file, or it is not in GSM8K's format.
    """
    if str(task) in MIXTURES:
        mixture = lookup("problem", MIXTURES[str(task)])
        return [lookup("problem", "generate")(seed, index, "held_out", mixture) for index in range(count)]
    try:
        return list(islice(lookup("problem", "load")(Path(task)), count))
    except (OSError, ValueError, KeyError) as error:
        raise BadInput("task", f"{error}; 'builtin', 'builtin-hard' or a file in GSM8K's format is expected") from error


def is_right(problem: Any, text: str) -> bool:
    """Whether a text ends in the problem's answer."""
    return bool(lookup("problem", "check")(problem, text))


Watch = Callable[[str], None]


def verify(folder: str | Path | None = None, progress: Watch = lambda name: None) -> list[dict[str, Any]]:
    """The proofs, on the toy and (if a folder is given) on a model; rows as `ramify.verify.report.verify` says."""
    labs = lookup("proof", "model-labs")(folder) if folder is not None else ()
    return list(lookup("proof", "laws")(labs, progress))


def verify_search(progress: Watch = lambda name: None) -> list[dict[str, Any]]:
    """The proofs of every method and guide, one row each; see `ramify.verify.methods.verify_search`."""
    return list(lookup("proof", "search")(progress))


def verify_speculation(
    progress: Watch = lambda name: None,
    *,
    model: str | Path = "builtin",
    draft: Any = None,
    prompts: Sequence[Any] = (),
    samples: int = 1500,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The proofs that speculation is lossless, on the toy; rows as `verify` gives them.

    Args:
        draft: instead of the toy, what drafts for `model` (see `Speculate`): the same texts with drafts and without,
            and a G-test of the law of sampled ones.
        prompts: to write from; the first 16 built-in problems if there are none.
        samples: texts for each G-test.

    Raises:
        BadInput: samples is out of range. CheckpointError, Incompatible: see `load`.
    """
    if draft is None:
        return list(lookup("proof", "speculation")(progress))
    whole("samples", samples, 100, 1_000_000)
    prompts = prompts or [problem.prompt for problem in problems(16)]

    def open_(mode: Mode, **wishes: Any) -> LM:
        return load(model, mode=mode, speculate=Speculate(draft=draft, **wishes))

    return list(lookup("proof", "drafting")(open_, prompts, samples=samples, seed=seed, progress=progress))


def bench(name: str, **options: Any) -> list[dict[str, Any]]:
    """The rows of one benchmark.

    Raises:
        UnknownName: there is no such benchmark.
    """
    return list(lookup("bench", name)(**options))


def train_builtin(out: Path, **options: Any) -> None:
    """Make the built-in models from nothing: see `ramify.train.builtin.train_builtin`."""
    lookup("recipe", "builtin")(out, **options)


def architectures() -> Sequence[str]:
    """Names of the decoders that are supported, as config.json's model_type has them."""
    return sorted(lookup("model", "architectures"))
