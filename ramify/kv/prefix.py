"""A prefix tree over committed pages: a prompt that was read before is not read again.

A node is one full page, its key the page's tokens, so a branching point is always a page's edge. The tree holds each
page once; a page that nobody else holds is idle and is given up, least recently used leaf first, when pages are short.
Only committed tokens are published, and never a page that a policy has compressed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ramify.kv.pages import PagePool


@dataclass(eq=False, slots=True)
class Node:
    """One published page and the pages that continue it."""

    page: int
    key: tuple[int, ...]
    parent: "Node | None"
    used: int = 0
    children: dict[tuple[int, ...], "Node"] = field(default_factory=dict)


class PrefixTree:
    """Published pages of one pool, found by the tokens they hold."""

    def __init__(self, pool: PagePool) -> None:
        self.pool = pool
        self._root = Node(-1, (), None)
        self._clock = 0

    def match(self, tokens: Sequence[int]) -> list[int]:
        """The pages of the longest published prefix of `tokens` (whole pages only); the caller retains them."""
        self._clock += 1
        node, pages = self._root, list[int]()
        for key in self._keys(tokens):
            child = node.children.get(key)
            if child is None:
                break
            child.used, node = self._clock, child
            pages.append(child.page)
        return pages

    def publish(self, tokens: Sequence[int], pages: Sequence[int]) -> None:
        """Make the full pages of committed `tokens` findable; where the tree has such a page, it keeps its own."""
        self._clock += 1
        node = self._root
        for key, page in zip(self._keys(tokens), pages, strict=False):
            if key not in node.children:
                if self.pool.published[page]:
                    return  # findable under another path: one page has one place
                self.pool.publish(page)
                node.children[key] = Node(page, key, node)
            node = node.children[key]
            node.used = self._clock

    def evict(self, count: int) -> int:
        """Free up to `count` idle pages, least recently used leaves first; how many it freed."""
        freed = 0
        while freed < count:
            leaves = [n for n in self.nodes() if not n.children and self.pool.refs[n.page] == 1]
            if not leaves:
                return freed
            for node in sorted(leaves, key=lambda n: n.used)[: count - freed]:
                assert node.parent is not None
                del node.parent.children[node.key]
                self.pool.unpublish(node.page)
                freed += 1
        return freed

    def nodes(self) -> Iterator[Node]:
        """Every published page's node."""
        stack = list(self._root.children.values())
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.children.values())

    def _keys(self, tokens: Sequence[int]) -> Iterator[tuple[int, ...]]:
        size = self.pool.page_size
        for end in range(size, len(tokens) + 1, size):
            yield tuple(tokens[end - size : end])
