"""Chat templates: messages to the text a model was trained on, as Hugging Face's apply_chat_template has it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ramify.core.errors import BadInput, CheckpointError
from ramify.model.files import read_optional_json
from ramify.model.sandbox import render
from ramify.model.tokenizer import Tokenizer, named_tokens

Message = Mapping[str, Any]
TAIL = "CONTINUE_FINAL_MESSAGE_TAG "  # its last space shows whether the template trims
OPEN, CLOSE = "\ufdd0", "\ufdd1"  # non-characters: around special tokens that a message spells out


class ChatTemplate:
    """The chat templates of a model, by name ("default" where there is one).

    Args:
        special_tokens: variables of every template: "bos_token", "eos_token", ...
    """

    def __init__(self, templates: Mapping[str, str], special_tokens: Mapping[str, str]) -> None:
        self.templates, self.special_tokens = dict(templates), dict(special_tokens)

    @classmethod
    def load(cls, folder: str | Path) -> "ChatTemplate":
        """Read a folder: chat_template.jinja, or else `chat_template` of tokenizer_config.json (one, or a list of
        named ones), and additional_chat_templates/*.jinja. A folder without any is no error until one is needed.

        Raises:
            CheckpointError: the files are there and hold something else.
        """
        folder = Path(folder)
        config = read_optional_json(folder / "tokenizer_config.json")
        templates = _configured(config.get("chat_template"), folder / "tokenizer_config.json")
        for path in sorted(folder.glob("additional_chat_templates/*.jinja")):
            templates[path.stem] = path.read_text(encoding="utf-8")
        if (folder / "chat_template.jinja").exists():
            templates["default"] = (folder / "chat_template.jinja").read_text(encoding="utf-8")
        return cls(templates, named_tokens(folder))

    def render(
        self,
        messages: Sequence[Message],
        *,
        add_generation_prompt: bool | None = None,
        continue_final_message: bool = False,
        tools: Sequence[Message] | None = None,
        documents: Sequence[Message] | None = None,
        template: str | None = None,
        **variables: Any,
    ) -> str:
        """The text of a conversation, as `transformers`' apply_chat_template(tokenize=False) has it.

        Args:
            messages: each with "role" and whatever the template reads ("content"); None values count as absent.
            add_generation_prompt: whether the assistant's turn is opened. Default: unless the final message goes on.
            continue_final_message: leave the last message open, for the model to go on with it.
            tools, documents: JSON schemas of functions, and texts, for templates that know them.
            template: a name; default "tool_use" if tools are given and there is one, else "default".
            variables: further ones the template knows, as `enable_thinking`.

        Raises:
            BadInput: there is no such template, it refuses the messages, or they hold something that is no plain data.
            CheckpointError: the template is broken.
        """
        source = self._source(template, tools)
        chat = _conversation(messages)
        if continue_final_message:
            if add_generation_prompt:
                raise BadInput("add_generation_prompt", "the assistant's turn cannot both go on and be opened")
            final = _tag_final(chat)
        seen = {"tools": _plain(tools, "tools"), "documents": _plain(documents, "documents")}
        seen |= self.special_tokens | {name: _plain(value, name) for name, value in variables.items()}
        opened = not continue_final_message if add_generation_prompt is None else add_generation_prompt
        text = render(source, {"messages": chat, "add_generation_prompt": opened, **seen})
        return _cut(text, final) if continue_final_message else text

    def encode(self, tokenizer: Tokenizer, messages: Sequence[Message], **options: Any) -> list[int]:
        """Token ids of a conversation; options as in `render`. Special tokens that a message spells out stay text:
        only the template ends a turn. (`transformers` does this under `sanitize_control_tokens=True`.)

        Raises:
            BadInput, CheckpointError: as in `render`.
        """
        special = sorted((tokenizer.tokens[i] for i in tokenizer.special_ids), key=len, reverse=True)
        token = "|".join(re.escape(text) for text in special if text) or "(?!)"
        text = self.render(_marked(_conversation(messages), re.compile(token)), **options)
        pieces = re.split(f"{OPEN}({token}){CLOSE}|[{OPEN}{CLOSE}]", text)  # text, spelled token or None, text, ...
        ids = tokenizer.encode(pieces[0], add_begin=False)
        for i, piece in enumerate(pieces[1:], start=1):
            if piece:
                ids += tokenizer.encode_after(piece, parse_special=i % 2 == 0)
        return ids

    def _source(self, template: str | None, tools: Sequence[Message] | None) -> str:
        if not self.templates:
            raise BadInput("messages", "this model has no chat template; give a text, or token ids")
        name = template or ("tool_use" if tools and "tool_use" in self.templates else "default")
        if name not in self.templates:
            raise BadInput("template", f"no chat template {name!r}; there are {', '.join(sorted(self.templates))}")
        return self.templates[name]


def _configured(value: Any, path: Path) -> dict[str, str]:
    if value is None:
        return {}
    if isinstance(value, str):
        return {"default": value}
    try:
        return {str(entry["name"]): str(entry["template"]) for entry in value}
    except (TypeError, KeyError) as error:
        raise CheckpointError(f"{path}: chat_template is neither a text nor a list of {{name, template}}") from error


def _conversation(messages: Sequence[Message]) -> list[dict[str, Any]]:
    if isinstance(messages, str | Mapping) or not messages:
        raise BadInput("messages", "a list of at least one message is expected, each a dict with role and content")
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise BadInput(f"messages[{i}]", f"a dict with role and content is expected, not {type(message).__name__}")
    chat: list[dict[str, Any]] = _plain(messages, "messages")
    return [{key: value for key, value in message.items() if value is not None} for message in chat]


def _plain(value: Any, field: str) -> Any:
    """A copy made of JSON types alone: a template can call the methods of whatever it is given."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, field) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, field) for item in value]
    raise BadInput(field, f"plain data is expected (texts, numbers, lists, dicts), not {type(value).__name__}")


def _marked(value: Any, token: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return token.sub(f"{OPEN}\\g<0>{CLOSE}", value.replace(OPEN, "").replace(CLOSE, ""))
    if isinstance(value, dict):
        return {key: item if key == "role" else _marked(item, token) for key, item in value.items()}
    return [_marked(item, token) for item in value] if isinstance(value, list) else value


def _tag_final(chat: list[dict[str, Any]]) -> str:
    """Mark the end of the last message's text; returns that text."""
    content = chat[-1].get("content")
    if isinstance(content, str):
        chat[-1]["content"] = content + TAIL
        return content
    blocks = [block for block in content or () if isinstance(block, dict) and isinstance(block.get("text"), str)]
    if not blocks:
        raise BadInput("continue_final_message", "the final message has no text to go on with")
    text: str = blocks[-1]["text"]
    blocks[-1]["text"] = text + TAIL
    return text


def _cut(text: str, final: str) -> str:
    at = text.rfind(TAIL.strip())
    if at < 0 or final.strip() not in text:
        raise BadInput("continue_final_message", "the chat template does not keep the final message as it is")
    return text[:at] if text[at : at + len(TAIL)] == TAIL else text[:at].rstrip()
