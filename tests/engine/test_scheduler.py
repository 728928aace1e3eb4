"""The scheduler's laws."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from ramify.engine.scheduler import LONG_RUN, Behind, Standing, schedule, shared_runs

BEHIND = st.lists(st.integers(0, 40), max_size=12).map(lambda todo: [Behind(i, n) for i, n in enumerate(todo)])


@given(BEHIND, st.integers(1, 50))
@settings(max_examples=400, deadline=None)
def test_rows_are_handed_out_by_the_law(behind: list[Behind], budget: int) -> None:
    rows = schedule(behind, budget)
    todo = {item.branch: item.todo for item in behind}
    assert all(0 < count <= todo[branch] for branch, count in rows.items())
    assert sum(rows.values()) == min(budget, sum(todo.values()))  # never more than there is, never less than fits
    order = sorted(todo, key=lambda branch: (todo[branch] > 1, branch))  # about to draw first, then in order
    cut = [rows.get(branch, 0) < todo[branch] for branch in order if todo[branch]]  # who wants nothing is not cut
    assert cut == sorted(cut)  # whoever is served in full comes before whoever is not
    assert sum(0 < rows.get(branch, 0) < todo[branch] for branch in order) <= 1


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(1, 20))
@settings(max_examples=200, deadline=None)
def test_everybody_catches_up(todo: list[int], budget: int) -> None:
    left = dict(enumerate(todo))
    for _ in range(-(-sum(todo) // budget)):
        for branch, count in schedule([Behind(b, n) for b, n in left.items()], budget).items():
            left[branch] -= count
    assert not any(left.values())


def pages(tokens: Sequence[int], held: int) -> list[int]:
    """Pages of two slots; equal beginnings lie on equal pages."""
    return [hash(tuple(tokens[: min(end, held)])) for end in range(2, held + 2, 2)]


@st.composite
def standings(draw: st.DrawFn) -> list[Standing]:
    """Branches of a few texts with common beginnings, some of their tokens read; equal pages hold equal tokens."""
    stems = draw(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=30), min_size=1, max_size=3))
    made = []
    for branch in range(draw(st.integers(1, 8))):
        tokens = draw(st.sampled_from(stems)) + draw(st.lists(st.integers(0, 1), max_size=4))
        held = draw(st.one_of(st.just(0), st.integers(0, len(tokens) - 1)))
        num_prompt = draw(st.integers(1, len(tokens)))
        made.append(Standing(branch, held, pages(tokens, held), tokens, num_prompt))
    return made


@given(standings())
@settings(max_examples=400, deadline=None)
def test_followers_can_take_their_leaders_pages(behind: list[Standing]) -> None:
    by_branch = {item.branch: item for item in behind}
    followers = shared_runs(behind)
    for branch, (lead, length) in followers.items():
        item, leader = by_branch[branch], by_branch[lead]
        assert lead not in followers  # nobody waits for somebody who waits
        assert item.tokens[:length] == leader.tokens[:length]
        assert item.held < length <= len(item.tokens)  # it gains something
        assert length < len(item.tokens) or len(leader.tokens) == length  # the row of its last token is its own
        assert leader.num_prompt <= item.num_prompt  # values of all that it generated
        assert item.held <= leader.held
        assert item.held == leader.held or leader.held < leader.num_prompt
        assert list(item.pages) == list(leader.pages[: len(item.pages)])


def test_of_equals_one_leads() -> None:
    assert shared_runs([standing(i, "abc") for i in range(6)]) == dict.fromkeys(range(1, 6), (0, 3))


def standing(branch: int, tokens: str, held: int = 0, num_prompt: int | None = None) -> Standing:
    return Standing(
        branch, held, pages(list(map(ord, tokens)), held), list(map(ord, tokens)), num_prompt or len(tokens)
    )


def test_a_whole_prompt_is_followed() -> None:
    assert shared_runs([standing(1, "abcd", 0, 3), standing(2, "abce", 0, 3)]) == {2: (1, 3)}


def test_a_short_run_is_not() -> None:
    assert shared_runs([standing(1, "abcdefgh"), standing(2, "abcdxxxx")]) == {}


def test_a_long_run_is() -> None:
    stem = "s" * LONG_RUN
    assert shared_runs([standing(1, stem + "abc"), standing(2, stem + "xyz")]) == {2: (1, LONG_RUN)}


def test_a_beginning_of_anothers_prompt_is_followed_but_for_its_last_token() -> None:
    stem = "s" * (LONG_RUN + 1)
    assert shared_runs([standing(1, stem + "abc"), standing(2, stem)]) == {}  # values of the longer prompt begin later
    assert shared_runs([standing(1, stem + "abc", 0, 2), standing(2, stem)]) == {2: (1, LONG_RUN)}


def test_one_on_its_way_through_the_prompt_leads_those_who_have_not_begun() -> None:
    behind = [standing(1, "abcdef"), standing(2, "abcdef", 4), standing(3, "abcdef")]
    assert shared_runs(behind) == {1: (2, 6), 3: (2, 6)}


def test_siblings_that_drew_the_same_token_read_it_once() -> None:
    behind = [standing(1, "abcx", 3, 2), standing(2, "abcy", 3, 2), standing(3, "abcx", 3, 2)]
    assert shared_runs(behind) == {3: (1, 4)}
