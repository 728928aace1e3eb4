"""What a prompt must be before a branch stands at its end."""

from collections.abc import Iterable

from ramify.core.errors import BadInput
from ramify.core.types import Prompt
from ramify.engine.model import Model


def admitted(prompt: Prompt, target: Model) -> tuple[list[int], tuple[tuple[int, ...], ...]]:
    """Its tokens, and its bad words as the target spells them.

    Raises:
        BadInput: see `Engine.open`.
    """
    tokens, limit = list(prompt.tokens) or _begin(target), target.runner.max_positions
    if len(tokens) >= limit:
        raise BadInput("prompt", f"{len(tokens)} tokens leave no room in a context of {limit}; shorten it")
    _within_vocabulary("prompt", tokens, target)
    _within_vocabulary("logit_bias", prompt.sampling.logit_bias, target)
    _within_vocabulary("stop_token_ids", prompt.sampling.stop_token_ids, target)
    return tokens, _bad_runs(prompt, target)


def _within_vocabulary(field: str, tokens: Iterable[int], target: Model) -> None:
    size = target.runner.vocab_size
    if (bad := next((token for token in tokens if not 0 <= token < size), None)) is not None:
        raise BadInput(field, f"token {bad} is not in a vocabulary of {size}")


def _begin(target: Model) -> list[int]:
    begin = target.codec.begin_id
    if begin is None:
        raise BadInput("prompt", "it is empty, and this model has no begin token to start from; give some text")
    return [begin]


def _bad_runs(prompt: Prompt, target: Model) -> tuple[tuple[int, ...], ...]:
    # a word is spelled differently after a space
    words = [text for word in prompt.sampling.bad_words for text in (word, " " + word.lstrip())]
    runs = dict.fromkeys(tuple(target.codec.encode_after(text)) for text in words)
    if len({run[-1] for run in runs if run}) == target.runner.vocab_size:
        raise BadInput("bad_words", "they may leave no token to draw")
    return tuple(run for run in runs if run)
