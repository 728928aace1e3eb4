"""Pairs that say what is wanted: a prompt with a preferred and a dispreferred answer, a line of JSON each."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from ramify.core.errors import BadInput
from ramify.model.tokenizer import Tokenizer
from ramify.train.attribution import Contrast


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two texts that may stand behind a prompt."""

    prompt: str
    preferred: str
    dispreferred: str


def read_pairs(path: Path) -> list[TextPair]:
    """The pairs of a file, one {"prompt": text, "preferred": text, "dispreferred": text} a line.

    Blank lines and further keys are passed over.

    Raises:
        BadInput: no such file, no pair in it, or a line that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("pairs", f"{path}: cannot be read ({error})") from error
    pairs = [_pair(line, f"{path}, line {i}") for i, line in enumerate(lines, start=1) if line.strip()]
    if not pairs:
        raise BadInput("pairs", f"{path}: there is no pair in it")
    return pairs


def tokenized(tokenizer: Tokenizer, pair: TextPair, number: int, longest: int) -> Contrast:
    """Token ids of pair `number`, at most `longest` of prompt and answer together.

    Raises:
        BadInput: a side has no tokens, both answers have the same, or they do not fit.
    """
    prompt, answers = tokenizer.encode(pair.prompt), [pair.preferred, pair.dispreferred]
    begin = int(prompt[:1] == [tokenizer.begin_id])
    preferred, dispreferred = (tokenizer.encode_after(answer) for answer in answers)
    if len(prompt) == begin or not preferred or not dispreferred or preferred == dispreferred:
        raise BadInput("pairs", f"pair {number}: a prompt and two different answers are expected, none of them empty")
    if (length := len(prompt) + max(len(preferred), len(dispreferred))) > longest:
        raise BadInput("pairs", f"pair {number}: {length} tokens, the model reads {longest}; shorten it")
    return Contrast(prompt, preferred, dispreferred, begin)


def _pair(line: str, place: str) -> TextPair:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput("pairs", f"{place}: not JSON ({error})") from error
    values = [record.get(field.name) if isinstance(record, dict) else None for field in fields(TextPair)]
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) != len(values):
        raise BadInput("pairs", f'{place}: {{"prompt": ..., "preferred": ..., "dispreferred": ...}} is expected, texts')
    return TextPair(*texts)
