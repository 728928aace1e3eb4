"""How far branches can go within a budget of pages, for methods that fill their room.

The server's memory is not known; the caller's budget is. Pages are counted behind the prompt (the server shares that,
or not), as the engine counts its own: a page is `page_size` tokens, whole pages up to a fork are its parent's, and
branches part at once. The last token drawn takes no place yet: it is stored when what comes after it is wanted.
"""

from collections.abc import Iterable, Mapping, Sequence

from ramify.core.types import Branch

Page = tuple[int, int]  # the branch that wrote it (0: the prompt's), and which of its pages


def pages_of(branch: Branch, grown: int, family: Mapping[int, Branch], size: int) -> set[Page]:
    """The pages behind the prompt that a branch holds after `grown` more tokens.

    Args:
        family: every branch of the run by its id, dropped ones too.
    """
    stored = max(0, min(len(branch.tokens) + grown, branch.max_length) - branch.num_prompt - 1)
    return {(_writer(branch, (page + 1) * size, family), page) for page in range(-(-stored // size))}


def _writer(branch: Branch, end: int, family: Mapping[int, Branch]) -> int:
    """Whose tokens a page that ends behind `end` tokens is made of."""
    while branch.parent is not None and branch.forked_at - branch.num_prompt >= end:
        branch = family[branch.parent]
    return branch.id


def room(live: Sequence[Branch], own: Iterable[Branch], family: Mapping[int, Branch], pages: int, size: int) -> int:
    """How many tokens each of `live` can grow by before all of `own` hold more than `pages` pages: exact."""
    if not live:
        return 0
    held = set[Page]().union(*(pages_of(b, 0, family, size) for b in own if b not in live))

    def needed(tokens: int) -> int:
        return len(held.union(*(pages_of(b, tokens, family, size) for b in live)))

    low, high = 0, max(b.max_length - len(b.tokens) for b in live)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= pages else (low, middle - 1)
    return low
