"""Text to tokens and back, from a Hugging Face folder (tokenizer.json and the small files beside it).

Prompts are texts or token ids, results are token ids first: nothing here re-encodes what a model has written.

Special tokens that a text spells out ("<|im_end|>") become those tokens, as `transformers` users expect: a prompt is
written by whoever calls. The words of other people do not pass here: `ChatTemplate.encode` keeps special tokens in
messages plain text. Decoding leaves special tokens out and never tidies spaces.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import tokenizers

from ramify.core.errors import BadInput, CheckpointError
from ramify.model.files import read_optional_json, token_ids
from ramify.model.pieces import Pieces
from ramify.model.textstream import TextStream

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class Tokenizer:
    """A tokenizer and the special tokens that a model gives a meaning.

    Args:
        backend: of the `tokenizers` library.
        special_tokens: names as Hugging Face has them ("bos_token") to the token's text.
        begin_id: put before a prompt, and an empty prompt's only token; None: the model has none.
        end_ids: tokens that end a text.
        adds_begin: whether prompts are given the begin token; None: as the post-processor of tokenizer.json does.

    Raises:
        CheckpointError: a vocabulary whose tokens have no bytes of their own (WordPiece: neighbours decide there).
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        special_tokens: Mapping[str, str],
        begin_id: int | None,
        end_ids: frozenset[int],
        adds_begin: bool | None = None,
    ) -> None:
        self._backend, self.special_tokens = backend, dict(special_tokens)
        self.begin_id, self.end_ids = begin_id, end_ids
        backend.no_truncation()  # tokenizer.json may carry both from its training: they would cut or pad prompts
        backend.no_padding()
        self._pieces = Pieces(self.tokens, frozenset(backend.get_added_tokens_decoder()), backend.decoder)
        self._prefix = _prefix(backend)
        if adds_begin is not None:
            self._prefix = [begin_id] if adds_begin and begin_id is not None else []

    @classmethod
    def load(cls, folder: str | Path) -> "Tokenizer":
        """Read a folder. End tokens: those of generation_config.json (else of config.json) and the tokenizer's own.

        Raises:
            CheckpointError: tokenizer.json is missing, or a file is not what it should be.
        """
        folder = Path(folder)
        backend = _backend(folder)
        config = read_optional_json(folder / "tokenizer_config.json")
        named = named_tokens(folder)
        ids = {name: backend.token_to_id(text) for name, text in named.items()}
        begin, end, adds = ids.get("bos_token"), ids.get("eos_token"), config.get("add_bos_token")
        adds = adds and begin is not None if isinstance(adds, bool) else None
        if begin is None:  # Qwen: no text begins with it, but an empty prompt may
            begin = next(iter(_model_ids(folder, "bos_token_id")), None)
        ends = {*_model_ids(folder, "eos_token_id"), *([] if end is None else [end])}
        return cls(backend, named, begin, frozenset(ends), adds)

    @property
    def vocab_size(self) -> int:
        """One more than the largest id; a model's logits may have more columns, which spell nothing."""
        return len(self.tokens)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Every token as its vocabulary spells it, by id ("" where an id is unused)."""
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        spelled = [""] * (max(vocabulary.values(), default=-1) + 1)
        for text, token in vocabulary.items():
            spelled[token] = text
        return tuple(spelled)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Tokens that are marks, not text."""
        return frozenset(i for i, token in self._backend.get_added_tokens_decoder().items() if token.special)

    @cached_property
    def fingerprint(self) -> str:
        """Equal for two tokenizers whose ids all mean the same."""
        return sha256(json.dumps(self.tokens).encode()).hexdigest()

    def disagreement(self, other: "Tokenizer") -> str | None:
        """Why `other` cannot read this one's token ids, or None if it can (it may know further tokens)."""
        if len(other.tokens) < len(self.tokens):
            return f"{len(self.tokens)} tokens here, {len(other.tokens)} there"
        unlike = [i for i, (a, b) in enumerate(zip(self.tokens, other.tokens, strict=False)) if a and a != b]
        if not unlike:
            return None
        first = unlike[0]
        return f"{len(unlike)} tokens differ, first {first}: {self.tokens[first]!r} here, {other.tokens[first]!r} there"

    def encode(self, text: str, add_begin: bool = True, *, parse_special: bool = True) -> list[int]:
        """Token ids of a text. An end token that a tokenizer would append is left out: a prompt goes on.

        Args:
            add_begin: with the begin token in front, if the tokenizer is one that puts it there.
            parse_special: whether special tokens spelled out in the text become those tokens.

        Raises:
            BadInput: the text is no Unicode (half of a surrogate pair).
        """
        backend = self._backend if parse_special else self._plain
        try:
            ids: list[int] = backend.encode(text, add_special_tokens=False).ids
        except (UnicodeEncodeError, TypeError) as error:
            raise BadInput("text", f"not a Unicode text ({error})") from error
        return [*self._prefix, *ids] if add_begin else ids

    def encode_after(self, text: str, *, parse_special: bool = True) -> list[int]:
        """Token ids of a text that stands behind another, so that no space is put before its first word."""
        newline, ids = (self.encode(t, add_begin=False, parse_special=parse_special) for t in ("\n", "\n" + text))
        if ids[: len(newline)] == newline:
            return ids[len(newline) :]
        return self.encode(text, add_begin=False, parse_special=parse_special)

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """Text of token ids, as the beginning of a text: some tokenizers strip the space before its first word."""
        return self._backend.decode(ids, skip_special_tokens=skip_special)

    def continuation(self, context: Sequence[int], ids: Sequence[int]) -> str:
        """What `ids` add to the text of `context`; decoding them alone would lose the space before the first word."""
        stream = self.stream(context)
        return "".join([stream.push(token) for token in ids]) + stream.finish()

    def stream(self, context: Sequence[int] = ()) -> TextStream:
        """The same, token by token as they come."""
        return TextStream(self.token_bytes, context, strips_first_space=self._strips_first_space)

    def token_bytes(self, token: int) -> bytes | None:
        """The bytes a token writes in the middle of a text; None for special tokens and unused ids."""
        if token in self._written:
            return self._written[token]
        if token in self.special_ids or not 0 <= token < len(self.tokens) or not self.tokens[token]:
            return None
        self._written[token] = self._pieces.bytes_of(token)
        return self._written[token]

    @cached_property
    def _written(self) -> dict[int, bytes]:
        """`token_bytes` of the tokens that were asked for."""
        return {}

    @cached_property
    def _strips_first_space(self) -> bool:
        """Whether the space before a text's first word is not part of the text (Llama 2)."""
        word = next((i for i, token in enumerate(self.tokens) if token.startswith("▁")), None)
        return word is not None and self.decode([word, word]).encode() != self._pieces.bytes_of(word) * 2

    @cached_property
    def _plain(self) -> tokenizers.Tokenizer:
        plain = tokenizers.Tokenizer.from_str(self._backend.to_str())
        plain.encode_special_tokens = True  # the library's name for: as ordinary text
        return plain


def _backend(folder: Path) -> tokenizers.Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        others = [name for name in ("tokenizer.model", "vocab.json", "vocab.txt") if (folder / name).exists()]
        hint = f"; {others[0]} is not read, AutoTokenizer(...).save_pretrained(...) makes one of it" if others else ""
        raise CheckpointError(f"{path}: no such file{hint}")
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(f"{path}: not a tokenizer that the installed `tokenizers` reads ({error})") from error


def named_tokens(folder: Path) -> dict[str, str]:
    """Special tokens that a folder's small files give a name: "bos_token" to its text."""
    config = read_optional_json(folder / "special_tokens_map.json")
    config |= read_optional_json(folder / "tokenizer_config.json")
    values = {name: config.get(name) for name in NAMED}
    texts = {name: value.get("content") if isinstance(value, dict) else value for name, value in values.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _model_ids(folder: Path, key: str) -> tuple[int, ...]:
    """Ids that generation_config.json names, or else config.json."""
    for name in ("generation_config.json", "config.json"):
        if ids := token_ids(read_optional_json(folder / name).get(key), f"{folder / name}: {key}"):
            return ids
    return ()


def _prefix(backend: tokenizers.Tokenizer) -> list[int]:
    """What the post-processor puts before a text."""
    bare, dressed = (backend.encode("a", add_special_tokens=special).ids for special in (False, True))
    starts = [i for i in range(len(dressed)) if bare and dressed[i : i + len(bare)] == bare]
    return dressed[: starts[0]] if starts else []
