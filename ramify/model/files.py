"""JSON files of a model folder."""

import json
from pathlib import Path
from typing import Any

from ramify.core.errors import CheckpointError


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: the file is missing or is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file; a model folder has config, tokenizer and weights") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: a JSON object is expected, not {type(value).__name__}")
    return value


def read_optional_json(path: Path) -> dict[str, Any]:
    """The same, {} where the file is absent.

    Raises:
        CheckpointError: the file is there and is not a JSON object.
    """
    return read_json(path) if path.exists() else {}


def token_ids(value: Any, where: str) -> tuple[int, ...]:
    """Token ids where Hugging Face writes one, several or null.

    Raises:
        CheckpointError: anything else; `where` names the file and the key.
    """
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if any(isinstance(i, bool) or not isinstance(i, int) or i < 0 for i in ids):
        raise CheckpointError(f"{where}: {value!r} is neither a token id nor a list of them")
    return tuple(ids)
