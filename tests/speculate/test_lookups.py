"""Look-ups without a model, against their definitions: whatever became of the text between two calls."""

from collections import Counter
from collections.abc import Sequence
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.core.errors import BadInput
from ramify.speculate.drafters.ngram import PromptLookup
from ramify.speculate.drafters.suffix import SuffixLookup
from ramify.speculate.texts import Automaton
from ramify.speculate.tree import TokenTree, audited

texts = st.lists(st.integers(0, 2), max_size=24)
edits = st.lists(st.tuples(st.integers(0, 24), st.lists(st.integers(0, 2), max_size=8)), max_size=6)


def histories(edited: list[tuple[int, list[int]]]) -> list[list[int]]:
    """A text after each of a number of cuts and additions."""
    text, seen = list[int](), []
    for kept, added in edited:
        text = text[:kept] + added
        seen.append(text)
    return seen


def looked_up(text: Sequence[int], longest: int, most: int) -> tuple[int, ...]:
    for size in range(min(longest, len(text)), 0, -1):
        for start in range(len(text) - size - 1, -1, -1):
            if text[start : start + size] == text[len(text) - size :]:
                return tuple(text[start + size : start + size + most])
    return ()


@settings(max_examples=300, deadline=None)
@given(edits, st.integers(1, 4), st.integers(0, 5))
def test_prompt_lookup_is_its_definition(edited: list[tuple[int, list[int]]], longest: int, most: int) -> None:
    lookup = PromptLookup(longest=longest)
    for text in histories(edited):
        tree = audited(lookup.look_up(7, text, most), 3)
        assert tree == TokenTree(looked_up(text, longest, most), tuple(range(-1, len(tree.tokens) - 1)), {}, "given")


def followers(text: Sequence[int], string: Sequence[int]) -> Counter[int]:
    size = len(string)
    starts = [i for i in range(len(text) - size) if list(text[i : i + size]) == list(string)]
    return Counter(text[start + size] for start in starts)


Node = tuple[tuple[int, ...], float]


def best_nodes(known: list[list[int]], text: list[int], longest: int, alpha: float, most: int) -> list[Node]:
    """(path, score) of the nodes that the definition drafts from `known` texts."""

    def after(string: list[int]) -> Counter[int]:
        return sum((followers(one, string) for one in known), Counter[int]())

    sizes = range(min(longest, len(text)), 0, -1)
    pattern = next((text[-size:] for size in sizes if after(text[-size:])), None)
    if pattern is None:
        return []
    times, grown = after(pattern).total(), list[Node]()
    fringe = {(): 0.0}
    while len(grown) < min(most, int(alpha * len(pattern))):
        counts = {(*path, t): n for path in fringe for t, n in after([*pattern, *path]).items()}
        rest = {path: n for path, n in counts.items() if path not in fringe}
        if not rest:
            break
        path = min(rest, key=lambda path: (-rest[path], path))
        fringe[path] = 0.0
        grown.append((path, rest[path] / times))
    return grown


def nodes_of(tree: TokenTree) -> list[Node]:
    paths: list[tuple[int, ...]] = [()]
    for token, parent in zip(tree.tokens, tree.parents, strict=True):
        paths.append((*paths[1 + parent], token))
    return list(zip(paths[1:], tree.scores, strict=True))


@settings(max_examples=300, deadline=None)
@given(edits, st.lists(texts, max_size=3), st.integers(1, 4), st.sampled_from([0.5, 1.0, 4.0]), st.integers(0, 7))
def test_suffix_lookup_is_its_definition(
    edited: list[tuple[int, list[int]]], learnt: list[list[int]], longest: int, alpha: float, most: int
) -> None:
    lookup = SuffixLookup(longest=longest, alpha=alpha)
    for step, text in enumerate(histories(edited)):
        for one in learnt[step : step + 1]:
            lookup.learn(one)
        tree = audited(lookup.look_up(7, text, most), 3)
        own = best_nodes([text], text, longest, alpha, most)
        others = best_nodes(learnt[: step + 1], text, longest, alpha, most)
        assert nodes_of(tree) == max(own, others, key=lambda nodes: sum(score for _, score in nodes))


@settings(max_examples=200, deadline=None)
@given(edits)
def test_an_automaton_that_shrank_is_one_that_never_grew(edited: list[tuple[int, list[int]]]) -> None:
    automaton, text = Automaton(retracts=True), list[int]()
    for kept, added in edited:
        while len(text) > kept:
            automaton.retract()
            text.pop()
        for token in added:
            automaton.append(token)
        text += added
    fresh = Automaton()
    for token in text:
        fresh.append(token)
    assert automaton.after == fresh.after and automaton.link == fresh.link
    assert automaton.count == fresh.count and automaton.last == fresh.last


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, min_size=1, max_size=4), st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_an_automaton_counts_every_string(known: list[list[int]], string: list[int]) -> None:
    automaton = Automaton()
    for text in known:
        automaton.begin()
        for token in text:
            automaton.append(token)
    state: int | None = 0
    for token in string:
        state = None if state is None else automaton.after[state].get(token)
    size = len(string)
    times = sum(text[i : i + size] == string for text in known for i in range(len(text) - size + 1))
    assert (0 if state is None else automaton.count[state]) == times


def test_branches_and_texts_that_are_forgotten() -> None:
    for lookup in (PromptLookup(), SuffixLookup()):
        assert lookup.look_up(1, [5, 6, 5], 1).tokens == (6,)
        assert lookup.look_up(2, [5, 7, 5], 1).tokens == (7,)  # no branch reads another one's text
        lookup.forget(1)
        lookup.forget(1)
        assert lookup.look_up(1, [5], 1).tokens == ()
        assert lookup.look_up(2, [5, 7, 5], 1).tokens == (7,)
    small = SuffixLookup(remembered=4)
    small.learn([1, 2])
    small.learn([3, 4])
    assert small.look_up(1, [1], 1).tokens == (2,)
    small.learn([5, 6])  # too much: the older half goes
    assert small.look_up(1, [1], 1).tokens == ()
    assert small.look_up(1, [5], 1).tokens == (6,)


def test_the_longer_match_and_the_recent_one() -> None:
    text = [1, 2, 9, 3, 2, 8, 1, 2]
    assert PromptLookup(longest=2).look_up(1, text, 2).tokens == (9, 3)  # after 1 2
    assert PromptLookup(longest=1).look_up(1, text, 2).tokens == (8, 1)  # after the last 2
    assert PromptLookup(longest=3, shortest=3).look_up(1, text, 2).tokens == ()


@pytest.mark.parametrize("make", [PromptLookup, SuffixLookup])
def test_a_long_text_is_read_once(make: type[PromptLookup] | type[SuffixLookup]) -> None:
    """A call after one more token costs far less than reading the text: here below a twentieth."""
    text = [(i * i * 7 + i // 3) % 101 for i in range(10_000)]
    lookup = make()
    start = perf_counter()
    lookup.look_up(1, text, 8)
    whole = perf_counter() - start
    start = perf_counter()
    for token in range(50):
        text.append(token)
        lookup.look_up(1, text, 8)
    assert (perf_counter() - start) / 50 < whole / 20


def test_options_outside_their_range() -> None:
    for options in ({"longest": 0}, {"longest": 2, "shortest": 3}, {"shortest": 0}):
        with pytest.raises(BadInput, match="shortest"):
            PromptLookup(**options)
    for wrong in ({"longest": 0}, {"alpha": 0.0}, {"remembered": -1}):
        with pytest.raises(BadInput, match="longest"):
            SuffixLookup(**wrong)  # type: ignore[arg-type]
