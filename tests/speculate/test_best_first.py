"""Trees of the likeliest nodes, and outlines that do not move: against every other tree of their size."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.speculate.best_first import BestFirst
from ramify.speculate.fixed import Fixed, optimal_widths
from ramify.speculate.shapes import Likeliest, Path, grow, likeliest
from ramify.speculate.tree import Masses, TokenTree, audited
from tests.speculate.enumerated import KINDS, law
from tests.speculate.test_beams import Random


def drafted(shape: BestFirst | Fixed | Likeliest, kind: str, size: int = 3) -> tuple[TokenTree, list[list[Path]]]:
    """The tree, and the paths of each pass of the draft."""
    passes = list[list[Path]]()

    def laws(paths: Sequence[Path]) -> list[Masses]:
        passes.append(list(paths))
        return [law(kind, "draft", tuple(path), size) for path in paths]

    return audited(grow(shape, laws, Random()), size), passes


def expected(kind: str, paths: Sequence[Path]) -> float:
    """How far a tree is accepted, in expectation, if the text is the draft's."""
    return sum(mass_of(kind, path) for path in paths)


@cache
def mass_of(kind: str, path: Path) -> float:
    return float(np.prod([law(kind, "draft", path[:i])[path[i]] for i in range(len(path))]))


def trees_of(nodes: int, depth: int) -> Iterator[tuple[Path, ...]]:
    """All sets of `nodes` paths over 3 tokens that hold the parents of their members."""
    paths = [path for length in range(1, depth + 1) for path in product(range(3), repeat=length)]
    for some in combinations(paths, nodes):
        if all(len(path) == 1 or path[:-1] in some for path in some):
            yield some


def paths_in(tree: TokenTree) -> list[Path]:
    paths: list[Path] = [()]
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        paths.append((*paths[1 + parent], token))
    return paths[1:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("nodes", "deepest"), [(1, None), (2, None), (3, None), (4, 2), (3, 1)])
def test_no_tree_of_as_many_nodes_is_accepted_further(kind: str, nodes: int, deepest: int | None) -> None:
    tree, _ = drafted(BestFirst(nodes, deepest), kind)
    paths = paths_in(tree)
    best = max(expected(kind, some) for some in trees_of(nodes, deepest or nodes))
    assert expected(kind, paths) == pytest.approx(best, abs=1e-12)
    assert len(set(paths)) == len(paths) <= nodes
    assert tree.scores == pytest.approx([mass_of(kind, path) for path in paths], abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_only_nodes_that_can_matter_are_read(kind: str) -> None:
    for nodes in range(1, 8):
        tree, passes = drafted(BestFirst(nodes), kind)
        paths, read = paths_in(tree), [path for level in passes for path in level]
        assert len(passes) <= nodes and len(read) <= nodes * nodes
        for path in read[1:]:  # when it was read, fewer than `nodes` were as likely, itself among them
            known = [(*p, token) for p in read[: read.index(path)] if len(p) < len(path) for token in range(3)]
            assert sum(mass_of(kind, other) > mass_of(kind, path) for other in known) < nodes - 1
        assert {path[:-1] for path in paths} <= set(read)


def test_likelier_nodes_take_more_children() -> None:
    laws = {(): np.array([0.9, 0.1, 0.0]), (0,): np.array([0.5, 0.3, 0.2]), (0, 0): np.array([0.2, 0.4, 0.4])}
    tree = grow(BestFirst(4), lambda paths: [laws.get(path, np.full(3, 1 / 3)) for path in paths], Random())
    assert (tree.tokens, tree.parents, tree.laws) == ((0, 0, 1, 2), (-1, 0, 0, 0), {})
    assert tree.scores == pytest.approx((0.9, 0.45, 0.27, 0.18))


def test_a_fixed_outline_is_filled_with_the_likeliest() -> None:
    wide, _ = drafted(Likeliest((2, 2)), "smooth")
    tree, passes = drafted(Fixed((-1, -1, 0, 0, 1, 1)), "smooth")
    assert tree == wide
    assert [len(level) for level in passes] == [1, 2]
    _, passes = drafted(Fixed((-1, -1, 1)), "smooth")
    assert [len(level) for level in passes] == [1, 1]  # a leaf's law is not read
    assert Fixed((-1, 0, 0, 2)).depth == 3
    assert Fixed((-1, 0)).is_chain and not Fixed((-1, -1)).is_chain


def test_an_outline_wider_than_the_law_loses_a_branch() -> None:
    one = np.array([0.0, 1.0, 0.0])
    tree = grow(Fixed((-1, -1, 0, 1, 3)), lambda paths: [one] * len(paths), Random())
    assert (tree.tokens, tree.parents) == ((1, 1), (-1, 0))


@given(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5]), min_size=1, max_size=12), st.integers(1, 14))
def test_likeliest_is_a_stable_sort(masses: list[float], count: int) -> None:
    order = sorted((i for i, mass in enumerate(masses) if mass > 0.0), key=lambda i: -masses[i])
    assert likeliest(np.array(masses), count) == order[:count]


def outlines(nodes: int, levels: int, ranks: int) -> Iterator[tuple[int, ...]]:
    """All outlines of so many nodes, as parents."""

    def add(parents: tuple[int, ...], depths: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(parents) == nodes:
            yield parents
            return
        for parent in range(parents[-1] if parents else -1, len(parents)):
            depth = 1 if parent < 0 else depths[parent] + 1
            if depth <= levels and parents.count(parent) < ranks:
                yield from add((*parents, parent), (*depths, depth))

    yield from add((), ())


def rate(parents: Sequence[int], acceptance: list[list[float]], costs: list[float], level: float) -> float:
    """Expected tokens per cost."""
    value, depth, seen = {-1: 1.0}, {-1: 0}, dict[int, int]()
    for node, parent in enumerate(parents):
        rank = seen[parent] = seen.get(parent, -1) + 1
        value[node], depth[node] = value[parent] * acceptance[depth[parent]][rank], depth[parent] + 1
    return sum(value.values()) / (costs[len(parents) + 1] + level * max(depth.values()))


ranks = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=2).map(lambda a: sorted((x / 2 for x in a), reverse=True))
levels = st.lists(ranks, min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(levels, st.lists(st.floats(0.0, 0.3), min_size=5, max_size=5), st.sampled_from([0.0, 0.1, 0.5]))
def test_the_best_outline_is_the_best_of_all(acceptance: list[list[float]], steps: list[float], level: float) -> None:
    costs = [0.0, *np.cumsum([1.0, *steps]).tolist()]
    every = [parents for nodes in range(6) for parents in outlines(nodes, len(acceptance), 2)]
    best = max(rate(parents, acceptance, costs, level) for parents in every)
    found = optimal_widths(acceptance, costs, level)
    parents = () if found is None else tuple(found.parents)
    assert rate(parents, acceptance, costs, level) == pytest.approx(best, rel=1e-9)


def test_cost_decides_how_much_is_drafted() -> None:
    acceptance = [[0.6, 0.2], [0.5, 0.1], [0.4, 0.1]]
    assert optimal_widths(acceptance, [0.0, 1.0, 2.0, 3.0]) is None  # every row as dear as a pass: nothing is gained
    flat = optimal_widths(acceptance, [0.0, *[1.0] * 15])
    assert flat is not None and len(flat.parents) == 14  # rows for nothing: all there is
    some = optimal_widths(acceptance, [0.0, 1.0, 1.1, 1.2, 1.7, 2.2])
    assert some is not None and tuple(some.parents) == (-1, 0)
    dear = optimal_widths(acceptance, [0.0, *[1.0] * 15], cost_of_level=0.3)
    assert dear is not None and dear.depth < 3


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([[0.2, 0.3]], [0.0, 1.0, 1.0]), "acceptance"),
        (([[]], [0.0, 1.0, 1.0]), "acceptance"),
        (([[0.9, 0.8]], [0.0, 1.0, 1.0]), "acceptance"),
        (([[0.5]], [1.0]), "cost_of_rows"),
        (([[0.5]], [0.0, 1.0, 0.0]), "cost_of_rows"),
        (([[0.5]], [0.0, 1.0, 1.0], -1.0), "cost_of_level"),
    ],
)
def test_what_cannot_be_a_measurement(arguments: tuple[object, ...], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        optimal_widths(*arguments)  # type: ignore[arg-type]


def test_shapes_that_are_none() -> None:
    for make, match in (
        (lambda: BestFirst(0), "nodes"),
        (lambda: BestFirst(2, 0), "deepest"),
        (lambda: Fixed(()), "parents"),
        (lambda: Fixed((-1, 1)), "parents"),
    ):
        with pytest.raises(BadInput, match=match):
            make()


def test_passes_fall_level_by_level() -> None:
    _, passes = drafted(BestFirst(6), "smooth")
    for above, below in pairwise(passes):
        assert {len(path) for path in above} == {len(path) - 1 for path in below} and len({*map(len, below)}) == 1
