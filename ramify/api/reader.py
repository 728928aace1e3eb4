"""How a model's prompts are read: the tokenizer, the chat template, and how much fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ramify.core.errors import BadInput
from ramify.model.chat import ChatTemplate
from ramify.model.tokenizer import Tokenizer

Text = str | Sequence[int] | Sequence[Mapping[str, str]]  # text, token ids, or chat messages


@dataclass(frozen=True)
class Reader:
    """Of one model. `context`: tokens that it reads at most."""

    tokenizer: Tokenizer
    chat: ChatTemplate
    context: int

    @classmethod
    def load(cls, folder: Path, context: int) -> "Reader":
        """Of the model in a folder, without its weights."""
        return cls(Tokenizer.load(folder), ChatTemplate.load(folder), context)

    def encode(self, prompt: Text) -> list[int]:
        """Token ids of a text (with the begin token the model was trained with), of token ids, or of chat messages.

        Raises:
            BadInput: it is none of these.
        """
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt) if prompt else []
        if isinstance(prompt, bytes) or not isinstance(prompt, Sequence):
            raise BadInput("prompt", f"a text, token ids, or chat messages are expected, not {prompt!r}")
        if prompt and isinstance(prompt[0], Mapping):
            return self.chat.encode(self.tokenizer, prompt)  # type: ignore[arg-type]
        kinds = set(map(type, prompt))
        if bool in kinds or not all(issubclass(kind, int) for kind in kinds):
            raise BadInput("prompt", "a text, token ids, or chat messages (dicts with role and content) are expected")
        return list(prompt)  # type: ignore[arg-type]
