"""A prefix tree over committed pages: a prompt that was read before is not read again.

A node is one full page, its key the page's tokens, so a branching point is always a page's edge. The tree holds each
page once; a page that nobody else holds is idle and is given up, least recently used first, when pages are short.
Only committed tokens are published, and never a page that a policy has compressed.

A salt stands before the tokens of a text's first page, as if it were one of them. So texts of different salts have no
page in common, while all pages are given up by the same order.

Laws: whoever holds a node's page holds the pages of all its ancestors, so what lies behind an idle page is idle too.
A node is never used later than its ancestors, so whatever is given up in order of use is a leaf by then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ramify.kv.pages import PagePool

Key = tuple[int | str, ...]


@dataclass(eq=False, slots=True)
class Node:
    """One published page and the pages that continue it."""

    page: int
    key: Key
    parent: "Node | None"
    children: dict[Key, "Node"] = field(default_factory=dict)


class PrefixTree:
    """Published pages of one pool, found by the tokens they hold."""

    def __init__(self, pool: PagePool) -> None:
        self.pool = pool
        self._root = Node(-1, (), None)
        self._by_use: dict[Node, None] = {}  # least recently used first

    def match(self, tokens: Sequence[int], salt: str = "") -> list[int]:
        """The pages of the longest prefix of `tokens` published under this salt (whole pages only); the caller retains
        them."""
        node, path = self._root, list[Node]()
        for key in self._keys(tokens, salt):
            child = node.children.get(key)
            if child is None:
                break
            path.append(child)
            node = child
        self._use(path)
        return [node.page for node in path]

    def publish(self, tokens: Sequence[int], pages: Sequence[int], salt: str = "") -> None:
        """Make the full pages of committed `tokens` findable, up to the first that the tree has a page of its own for.

        What lies behind such a page stays unpublished: its holder does not hold the tree's page.
        """
        node, path = self._root, list[Node]()
        for key, page in zip(self._keys(tokens, salt), pages, strict=False):
            if key not in node.children:
                self.pool.publish(page)
                node.children[key] = Node(page, key, node)
            node = node.children[key]
            path.append(node)
            if node.page != page:
                break
        self._use(path)

    def evict(self, count: int) -> int:
        """Free up to `count` idle pages, least recently used first; how many it freed."""
        idle = list(islice((node for node in self._by_use if self.pool.refs[node.page] == 1), count))
        for node in idle:
            assert node.parent is not None and not node.children
            del node.parent.children[node.key], self._by_use[node]
            self.pool.unpublish(node.page)
        return len(idle)

    def nodes(self) -> Iterator[Node]:
        """Every published page's node."""
        stack = list(self._root.children.values())
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.children.values())

    def _use(self, path: Sequence[Node]) -> None:
        for node in reversed(path):  # ancestors last
            self._by_use.pop(node, None)
            self._by_use[node] = None

    def _keys(self, tokens: Sequence[int], salt: str) -> Iterator[Key]:
        size = self.pool.page_size
        for end in range(size, len(tokens) + 1, size):
            key = tuple(tokens[end - size : end])
            yield (salt, *key) if end == size else key
