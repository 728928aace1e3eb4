"""The folder of a run's log and checkpoint, and the rule that resuming is for the same run only."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ramify.core.errors import BadInput
from ramify.model.files import read_json
from ramify.train.loop import Work

MEASURE_EVERY = 100
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
)


def workplace(folder: Path, described: Mapping[str, Any], resume: bool) -> Work:
    """A folder that is new, emptied, or of the very same run; `described` (as JSON has it) is noted in its run.json.

    BadInput names what differs when the folder holds another run.
    """
    note = folder / "run.json"
    if not resume:
        for name in ("log.jsonl", "state.pt", "run.json"):
            (folder / name).unlink(missing_ok=True)
    if note.exists() and (unlike := [name for name, v in read_json(note).items() if v != described.get(name)]):
        raise BadInput("work", f"{folder} holds another run (its {', '.join(unlike)}); --fresh, or another --work")
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(described, indent=2) + "\n")
    return Work(folder=folder, save_every=MEASURE_EVERY, measure_every=MEASURE_EVERY, resume=resume)


def check_out(out: Path, target: Path) -> None:
    """BadInput when `out` is no folder, or the target's own."""
    if out.exists() and not out.is_dir():
        raise BadInput("out", f"{out} is no folder")
    if out.resolve() == target.resolve():
        raise BadInput("out", f"{out} is the target's own folder, which would be overwritten; name another")


def copy_tokenizer(source: Path, folder: Path) -> None:
    """The small files of a model that writes text, from one folder into another."""
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copyfile(source / name, folder / name)
