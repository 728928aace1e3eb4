"""When a branch is done: end tokens, stop texts, the length it may have. And what its text is."""

from ramify.core.protocols import Codec
from ramify.core.types import Branch

TAIL = 16  # tokens read beside the longest stop text's own, which are at most as many as its bytes


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
    """The generated text, without the token or text that ended it."""
    if branch.text_end is None and branch.finish == "stop":
        return codec.continuation(branch.tokens[: branch.num_prompt], branch.generated[:-1])
    return codec.continuation(branch.tokens[: branch.num_prompt], branch.generated)[: branch.text_end]


def _meets_stop_text(branch: Branch, codec: Codec) -> bool:
    stops = branch.sampling.stop
    cut = max(branch.num_prompt, len(branch.tokens) - TAIL - max(len(stop.encode()) for stop in stops))
    tail = codec.continuation(branch.tokens[:cut], branch.tokens[cut:])
    if not any(stop in tail for stop in stops):
        return False
    text = codec.continuation(branch.tokens[: branch.num_prompt], branch.generated)
    branch.text_end = min((at for stop in stops if (at := text.find(stop)) >= 0), default=None)
    return branch.text_end is not None
