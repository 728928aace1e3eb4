"""An interpolated n-gram model over token ids, by counting.

Witten and Bell, "The zero-frequency problem", IEEE Transactions on Information Theory 37, 1991: the longer a context's
list of followers in proportion to how often it was seen, the more is left to the context one shorter.

    p_n(x | c) = (count(c x) + T(c) p_{n-1}(x | c')) / (count(c) + T(c))      c' = c without its first token
    T(c)  different tokens seen behind c         p_{-1} = 1 / (different tokens seen at all + 1)

Every token has a probability above zero. Those that were never seen each get what all of them would share, so the
masses sum to one over the tokens seen and one more.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ramify.core.strict import whole

LONGEST = 16


class NGram:
    """Counts of runs of at most `order` tokens in some texts.

    Args:
        texts: token ids; no run goes from one text into the next.
        order: tokens of the longest run, the predicted one included.
    Raises:
        BadInput: order is not from 1 to LONGEST.
    """

    def __init__(self, texts: Iterable[Sequence[int]], order: int = 4) -> None:
        self.order = whole("order", order, 1, LONGEST)
        self._behind: defaultdict[tuple[int, ...], dict[int, int]] = defaultdict(dict)
        for text in texts:
            for at, token in enumerate(text):
                for length in range(min(at, order - 1) + 1):
                    seen = self._behind[tuple(text[at - length : at])]
                    seen[token] = seen.get(token, 0) + 1
        self._total = {context: sum(seen.values()) for context, seen in self._behind.items()}

    def probability(self, context: Sequence[int], token: int) -> float:
        """p(token | the last tokens of the context)."""
        p = 1.0 / (len(self._behind.get((), ())) + 1)
        for length in range(min(len(context), self.order - 1) + 1):
            key = tuple(context[len(context) - length :])
            if key not in self._total:
                break  # nor was anything longer
            seen = self._behind[key]
            p = (seen.get(token, 0) + len(seen) * p) / (self._total[key] + len(seen))
        return p
