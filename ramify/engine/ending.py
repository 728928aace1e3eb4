"""When a branch is done: end tokens, stop texts, the length it may have. And what its text is."""

from ramify.core.protocols import Codec
from ramify.core.types import Branch

TAIL = 16  # tokens decoded beside the longest stop text's own, to find it where tokens cut it oddly


def settle(branch: Branch, codec: Codec) -> None:
    """Set `finish` after a token was appended, if this token ends the branch."""
    token, sampling = branch.tokens[-1], branch.sampling
    if (
        token in sampling.stop_token_ids
        or (token in codec.end_ids and not sampling.ignore_eos)
        or (sampling.stop and _meets_stop_text(branch, codec))
    ):
        branch.finish = "stop"
    elif len(branch.tokens) >= branch.max_length:
        branch.finish = "length"


def text_of(branch: Branch, codec: Codec) -> str:
    """The generated text, without end token or stop text."""
    text = codec.continuation(branch.tokens[: branch.num_prompt], branch.generated)
    return text if branch.text_end is None else text[: branch.text_end]


def _meets_stop_text(branch: Branch, codec: Codec) -> bool:
    window = TAIL + max(len(stop) for stop in branch.sampling.stop)
    tail = codec.decode(branch.generated[-window:])
    if not any(stop in tail for stop in branch.sampling.stop):
        return False
    text = codec.continuation(branch.tokens[: branch.num_prompt], branch.generated)
    found = [at for stop in branch.sampling.stop if (at := text.find(stop)) >= 0]
    if not found:
        return False
    branch.text_end = min(found)
    return True
