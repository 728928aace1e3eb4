"""Files that are whole or not there: written beside their place, then moved into it."""

import os
from pathlib import Path

from ramify.core.errors import BadInput


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that nobody ever reads half of it.

    Raises:
        BadInput: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(content.encode(errors="replace") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise BadInput("out", f"{path} cannot be written: {error}") from error
