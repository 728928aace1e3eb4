"""Suffix decoding: the likeliest continuations of the text's longest suffix that was seen before, as a tree.

Oliaro et al., "SuffixDecoding: Extreme Speculative Decoding for Emerging AI Applications", arXiv:2411.04975.

    pattern    the longest suffix of the text, of `longest` tokens at most, that something followed
    score      of a node: how often the pattern went on as its path does, of all times the pattern went on
    alpha      nodes that may be drafted for each token of the pattern: a longer match is worth more

It is looked for twice, in the branch's own text and in all texts learnt so far. Either gives a tree, the nodes of
highest score (of equal ones the earlier in order of their paths), and the tree of the higher sum of scores is drafted;
of equal ones the branch's own. It costs no pass of any model.

Departure: suffix automata instead of suffix trees, so a pattern needs no search in the branch's own text (its state is
the last one's link), and a text that was cut is unread token by token.
"""

from collections import deque
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from ramify.core.errors import BadInput
from ramify.speculate.texts import Automaton, common
from ramify.speculate.tree import ROOT, TokenTree

Waiting = tuple[int, tuple[int, ...], int, int]  # -count, path, state, parent
EMPTY = TokenTree((), (), {}, "given")


class SuffixLookup:
    """Trees from a branch's own text and from texts learnt. `key` is whatever names a branch.

    Args:
        longest: tokens of a pattern at most.
        alpha: nodes for each token of the pattern.
        remembered: tokens of learnt texts that are kept; beyond, the oldest texts are forgotten.
    """

    def __init__(self, *, longest: int = 32, alpha: float = 4.0, remembered: int = 100_000) -> None:
        if longest < 1 or not alpha > 0.0 or remembered < 0:
            raise BadInput(
                "longest", f"{longest}, alpha {alpha}, remembered {remembered}: 1 or more, above 0, 0 or more"
            )
        self._longest, self._alpha, self._remembered = longest, alpha, remembered
        self._own = dict[int, _Own]()
        self._learnt, self._texts, self._size = Automaton(), deque[tuple[int, ...]](), 0

    def look_up(self, key: int, tokens: Sequence[int], most: int) -> TokenTree:
        """Up to `most` nodes that may follow `tokens` (prompt and generated); a tree without nodes if nothing did."""
        own = self._own.setdefault(key, _Own())
        own.follow(tokens)
        own_tree = self._tree(own.automaton, *own.automaton.repeated(self._longest), most)
        learnt_tree = self._tree(self._learnt, *self._learnt.matched(tokens[-self._longest :]), most)
        return max(own_tree, learnt_tree, key=lambda tree: sum(tree.scores))

    def learn(self, tokens: Sequence[int]) -> None:
        """A finished text, for all branches to draft from."""
        self._texts.append(tuple(tokens))
        self._size += len(tokens)
        if self._size <= self._remembered:
            self._read(self._texts[-1])
            return
        while self._size > self._remembered // 2:  # half, so that this is rare
            self._size -= len(self._texts.popleft())
        self._learnt = Automaton()
        for text in self._texts:
            self._read(text)

    def forget(self, key: int) -> None:
        """The branch is gone; it may never have been known. What was learnt stays."""
        self._own.pop(key, None)

    def _read(self, text: Sequence[int]) -> None:
        self._learnt.begin()
        for token in text:
            self._learnt.append(token)

    def _tree(self, automaton: Automaton, state: int, length: int, most: int) -> TokenTree:
        after, count = automaton.after, automaton.count
        most = min(most, int(self._alpha * length))
        if most <= 0:
            return EMPTY
        times = sum(count[found] for found in after[state].values())
        waiting: list[Waiting] = [(-count[found], (token,), found, ROOT) for token, found in after[state].items()]
        heapify(waiting)
        tokens, parents, scores = list[int](), list[int](), list[float]()
        while waiting and len(tokens) < most:
            negative, path, at, parent = heappop(waiting)
            for token, found in after[at].items():
                heappush(waiting, (-count[found], (*path, token), found, len(tokens)))
            tokens.append(path[-1])
            parents.append(parent)
            scores.append(-negative / times)
        return TokenTree(tuple(tokens), tuple(parents), {}, "given", tuple(scores))


class _Own:
    """A branch's text, read as far as it has come."""

    def __init__(self) -> None:
        self.tokens, self.automaton = list[int](), Automaton(retracts=True)

    def follow(self, tokens: Sequence[int]) -> None:
        """Become the automaton of `tokens`."""
        shared = common(self.tokens, tokens)
        for _ in range(len(self.tokens) - shared):
            self.automaton.retract()
        del self.tokens[shared:]
        for token in tokens[shared:]:
            self.tokens.append(token)
            self.automaton.append(token)
