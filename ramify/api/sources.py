"""Where models come from: the built-in ones, folders, the hub; and in which type they are computed."""

from collections.abc import Mapping
from pathlib import Path

import torch

from ramify.core.errors import BadInput, CheckpointError
from ramify.core.registry import lookup
from ramify.model.paged import Mode

BUILTIN = Path(__file__).parent.parent / "builtin"
NAMES = ("target", "draft", "aligned", "medusa", "orm", "prm", "tuned", "arm")
BUILTIN_MODELS = {name: BUILTIN / name for name in NAMES}
BUILTIN_ALIASES = {"builtin": "target"} | {f"builtin-{name}": name for name in NAMES}
BUILTIN_REWARDS = ("builtin-orm", "builtin-prm")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def folder_of(model: str | Path) -> Path:
    """The folder behind "builtin", "builtin-draft" (and the other built-in names), a path or a hub name.

    Raises:
        BadInput: it is no name. CheckpointError: there is no such folder, and no hub to ask.
    """
    if not isinstance(model, str | Path) or not str(model):
        raise BadInput("model", f"{model!r}; a folder, a hub name or 'builtin' is expected")
    if (builtin := _builtin(model)) is not None:
        return builtin
    folder = Path(model).expanduser()
    return folder if folder.is_dir() else _from_hub(str(model))


class Folders:
    """What a name that a caller gives means: a folder.

    Args:
        known: folders by name. Where given, these and the built-in names are all there is: nothing is looked up on a
            disk or a hub, so that names may come from strangers.
    """

    def __init__(self, known: Mapping[str, Path] | None = None) -> None:
        self.known = known

    def __call__(self, name: str | Path) -> Path:
        """As `folder_of`.

        Raises:
            BadInput: it is no name. CheckpointError: it means nothing.
        """
        if self.known is None:
            return folder_of(name)
        folder = self.find(name)
        if folder is None:
            known = sorted([*self.known, *BUILTIN_ALIASES])
            raise CheckpointError(f"model {str(name)!r}: known are {', '.join(known)}")
        return folder

    def find(self, name: str | Path) -> Path | None:
        """The folder behind a name, if there is one here; no hub is asked."""
        if self.known is None:
            return Path(name) if Path(name).is_dir() else _builtin(name)
        return self.known.get(str(name)) or _builtin(name)


def _builtin(name: str | Path) -> Path | None:
    return BUILTIN_MODELS[BUILTIN_ALIASES[str(name)]] if str(name) in BUILTIN_ALIASES else None


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
