"""The text of tokens as they come, never half a character."""

import codecs
from collections.abc import Callable, Sequence

LONGEST = 4  # bytes of a character


class TextStream:
    """Token by token: `push` returns the text that has become certain, `finish` what was held back.

    Law: the pieces joined are what the tokens add to the text of the context, however they cut the characters: with
    the space before the first word, and with the whole of a character that the context began. Bytes that are no
    UTF-8 become replacement characters.

    Args:
        bytes_of: what a token writes, None for special tokens.
        context: the tokens before (a prompt's).
        strips_first_space: whether the space before a text's very first word is left out.
    """

    def __init__(
        self, bytes_of: Callable[[int], bytes | None], context: Sequence[int], *, strips_first_space: bool
    ) -> None:
        self._bytes_of = bytes_of
        self._open = codecs.getincrementaldecoder("utf-8")("replace")
        before = b""
        for token in reversed(context):
            before = (bytes_of(token) or b"") + before
            if len(before) >= LONGEST:
                break
        self._open.decode(before)
        self._strip = strips_first_space and not before

    def push(self, token: int) -> str:
        """The text this token completes; "" while a character is open, and for special tokens."""
        written = self._bytes_of(token) or b""
        if self._strip and written:
            written, self._strip = written.removeprefix(b" "), False
        return self._open.decode(written)

    def finish(self) -> str:
        """What is left: the beginning of a character that never came."""
        return self._open.decode(b"", final=True)
