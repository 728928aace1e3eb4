"""Where models come from: the built-in ones, folders, the hub; and in which type they are computed."""

from pathlib import Path

import torch

from ramify.core.errors import BadInput, CheckpointError
from ramify.core.registry import lookup
from ramify.model.paged import Mode

BUILTIN = Path(__file__).parent.parent / "builtin"
NAMES = ("target", "draft", "aligned", "medusa", "orm", "prm", "tuned", "arm")
BUILTIN_MODELS = {name: BUILTIN / name for name in NAMES}
BUILTIN_REWARDS = {"builtin-orm": BUILTIN / "orm", "builtin-prm": BUILTIN / "prm"}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def folder_of(model: str | Path) -> Path:
    """The folder behind "builtin", "builtin-draft" (and the other built-in names), a path or a hub name.

    Raises:
        BadInput: it is no name. CheckpointError: there is no such folder, and no hub to ask.
    """
    if not isinstance(model, str | Path) or not str(model):
        raise BadInput("model", f"{model!r}; a folder, a hub name or 'builtin' is expected")
    if str(model) == "builtin":
        return BUILTIN_MODELS["target"]
    if str(model).startswith("builtin-") and str(model)[8:] in BUILTIN_MODELS:
        return BUILTIN_MODELS[str(model)[8:]]
    folder = Path(model).expanduser()
    return folder if folder.is_dir() else _from_hub(str(model))


def _from_hub(name: str) -> Path:
    try:
        hub = lookup("hub", "download")
    except ImportError as error:
        raise CheckpointError(f"model {name!r}: no such folder; for a hub name install ramify[hub]") from error
    return Path(hub(name))


def dtype_of(wish: str, mode: Mode, folder: Path) -> torch.dtype:
    """The weights' type; "auto" is decided by the mode and the size of the weights."""
    if wish != "auto":
        return DTYPES[wish]
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return torch.float32 if mode == "exact" or size < 100 * 2**20 else torch.bfloat16


def device_of(wish: str, mode: Mode) -> str:
    """Where to compute; "auto" is a GPU if there is one that the mode can use.

    Raises:
        BadInput: there is no such device here.
    """
    if wish == "auto":
        return "cuda" if torch.cuda.is_available() and mode != "exact" else "cpu"
    try:
        kind = torch.device(wish).type
    except (RuntimeError, TypeError) as error:
        raise BadInput("device", f"{wish!r} is none; use 'cpu', 'cuda' or 'auto'") from error
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
        raise BadInput("device", f"{wish!r} is not available here; use 'cpu' or 'auto'")
    return wish
