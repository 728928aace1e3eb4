"""What bytes a token of a vocabulary stands for.

Two spellings cover the open models: byte-level (GPT-2, Llama 3, Qwen, OLMo: every byte is a printable character) and
marked spaces (Llama 2, Mistral, Gemma, Phi-3: "▁" is a space, "<0x0A>" a byte).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from ramify.core.errors import CheckpointError

BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's table: printable Latin-1 stands for itself, the other bytes are moved to 256 and up, in order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    moved = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(moved)}


ALPHABET = _byte_alphabet()


class Pieces:
    """The vocabulary of one tokenizer; `added` ids spell themselves.

    Raises:
        CheckpointError: neither of the two spellings.
    """

    def __init__(self, tokens: tuple[str, ...], added: frozenset[int], decoder: Any) -> None:
        self._tokens, self._added = tokens, added
        self._steps = list(_steps(json.loads(decoder.__getstate__()))) if decoder is not None else []
        if not {"ByteLevel", "Metaspace", "Replace"} & set(self._steps):
            steps = ", ".join(self._steps) or "none"
            raise CheckpointError(f"tokenizer.json: the bytes of single tokens are not known for its decoder ({steps})")

    def bytes_of(self, token: int) -> bytes:
        """The bytes of a token."""
        text = self._tokens[token]
        if token in self._added:
            return text.encode()
        if "ByteLevel" in self._steps:
            spelled = all(char in ALPHABET for char in text)  # a vocabulary may hold plain texts besides
            return bytes(ALPHABET[char] for char in text) if spelled else text.encode()
        byte = BYTE.fullmatch(text) if "ByteFallback" in self._steps else None
        return bytes.fromhex(byte[1]) if byte else text.replace("▁", " ").encode()


def _steps(decoder: dict[str, Any]) -> Iterator[str]:
    """Types of a decoder's steps."""
    if decoder["type"] != "Sequence":
        yield decoder["type"]
    for step in decoder.get("decoders", ()):
        yield from _steps(step)
