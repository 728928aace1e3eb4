"""What look-ups need of texts: where two part, and all that ever followed a suffix."""

from collections.abc import Sequence

ROOT_STATE = 0
NONE = -1


def common(mine: list[int], tokens: Sequence[int]) -> int:
    """How many tokens two texts begin with in common; fast where one begins the other."""
    shared = min(len(mine), len(tokens))
    if mine[:shared] == list(tokens[:shared]):
        return shared
    return next(i for i in range(shared) if mine[i] != tokens[i])


class Automaton:
    """The suffix automaton of one text or of several, with counts; it grows, and shrinks again, at the end.

    Blumer et al., "The Smallest Automaton Recognizing the Subwords of a Text", 1985. A state stands for the strings
    that end at the same places: `length` of the longest one, `count` of the places, `link` to the state of the longest
    suffix that ends at more places. A token costs amortised constant time, and one step for every state it is counted
    in (few in texts, many in a text of one token over and over).
    """

    def __init__(self, *, retracts: bool = False) -> None:
        self.after: list[dict[int, int]] = [{}]
        self.link, self.length, self.count = [NONE], [0], [0]
        self.last = ROOT_STATE
        self._undo: list[list[tuple[list[int] | dict[int, int], int, int]]] | None = [] if retracts else None
        self._before: list[tuple[int, int]] = []  # last state and number of states, a token

    def begin(self) -> None:
        """What comes next begins another text."""
        self.last = ROOT_STATE

    def append(self, token: int) -> None:
        """One more token of the text."""
        if self._undo is not None:
            self._undo.append([])
            self._before.append((self.last, len(self.after)))
        at, known = self.last, self.after[self.last].get(token)
        if known is not None:
            self.last = self._exactly(at, token, known)
        else:
            self.last = new = self._state({}, self.length[at] + 1, ROOT_STATE, 0)
            while at != NONE and token not in self.after[at]:
                self._set(self.after[at], token, new)
                at = self.link[at]
            if at != NONE:
                self.link[new] = self._exactly(at, token, self.after[at][token])
        self._recount(1)

    def retract(self) -> None:
        """Undo the last `append`, all of it."""
        assert self._undo is not None, "made without retracts=True"
        self._recount(-1)
        for where, key, old in reversed(self._undo.pop()):
            if old == NONE:
                assert isinstance(where, dict)
                del where[key]
            else:
                where[key] = old
        self.last, states = self._before.pop()
        for column in (self.after, self.link, self.length, self.count):
            del column[states:]

    def repeated(self, longest: int) -> tuple[int, int]:
        """Of one text: the state of the longest suffix of `longest` tokens at most that occurred before, its length."""
        state = max(self.link[self.last], ROOT_STATE)
        while state != ROOT_STATE and self.length[self.link[state]] >= longest:
            state = self.link[state]
        return state, min(self.length[state], longest)

    def matched(self, tokens: Sequence[int]) -> tuple[int, int]:
        """The state of the longest suffix of `tokens` behind which something stands in the texts, its length."""
        state, length = ROOT_STATE, 0
        for token in tokens:
            while state != ROOT_STATE and token not in self.after[state]:
                state = self.link[state]
                length = self.length[state]
            if token in self.after[state]:
                state, length = self.after[state][token], length + 1
        while state != ROOT_STATE and not self.after[state]:
            state = self.link[state]
            length = self.length[state]
        return state, length

    def _recount(self, by: int) -> None:
        state = self.last
        while state != ROOT_STATE:
            self.count[state] += by
            state = self.link[state]

    def _exactly(self, at: int, token: int, found: int) -> int:
        """The state whose longest string is the longest of `at`, then `token`; split off `found` if need be."""
        if self.length[found] == self.length[at] + 1:
            return found
        split = self._state(dict(self.after[found]), self.length[at] + 1, self.link[found], self.count[found])
        while at != NONE and self.after[at].get(token) == found:
            self._set(self.after[at], token, split)
            at = self.link[at]
        self._set(self.link, found, split)
        return split

    def _state(self, after: dict[int, int], length: int, link: int, count: int) -> int:
        self.after.append(after)
        self.length.append(length)
        self.link.append(link)
        self.count.append(count)
        return len(self.after) - 1

    def _set(self, where: list[int] | dict[int, int], key: int, value: int) -> None:
        if self._undo is not None:
            old = where[key] if isinstance(where, list) else where.get(key, NONE)
            self._undo[-1].append((where, key, old))
        where[key] = value
