"""Every registered guide: under any search, with any neighbours, in pages of any size, forked and cut."""

from dataclasses import replace

import pytest

from ramify.core.registry import lookup, names
from ramify.core.wants import Finish, Tokens
from tests.guide.made import GUIDES, engine, ran, story
from tests.search.runs import LENGTH, drawn, run, selection
from tests.toys import grown, is_empty, texts

every_guide = pytest.mark.parametrize("name", names("guide"))
SEARCHES = (
    "sample",
    "best-of-n",
    "majority-vote",
    "speculative-rejection",
    "particle-filter",
    "treebon",
    "spec-reason",
)


def test_one_of_every_kind_is_tested() -> None:
    assert list(GUIDES) == names("guide")
    for name, guide in GUIDES.items():
        entry = lookup("guide", name)
        assert (guide.name, type(guide)) == (entry.name, entry.make)
        assert set(entry.models) | set(entry.defaults) <= set(entry.options)
        assert all(getattr(entry, field) for field in ("summary", "paper", "law", "needs", "example"))
        assert isinstance(entry.make(**entry.defaults), type(guide))  # what a line may leave out


@every_guide
@pytest.mark.parametrize("search", SEARCHES)
def test_any_guide_under_any_search(name: str, search: str) -> None:
    """Same again for a seed; a note for every token; everything is given back."""
    options = {"n": 4} if search != "sample" else {}
    made, again = (engine(), engine())
    first = run(search, source=story(GUIDES[name], ignore_eos=False), engine=made, **options)
    second = run(search, source=story(GUIDES[name], ignore_eos=False), engine=again, **options)
    assert drawn(first) == drawn(second)
    assert is_empty(made)
    for ended in selection(first).ended:
        assert len(ended.branch.notes) == ended.branch.num_generated > 0


@every_guide
def test_a_guide_changes_the_text(name: str) -> None:
    """Else the laws below would say nothing."""
    plain, guided = (ran(grown(story(guide), 12, Finish())) for guide in (None, GUIDES[name]))
    assert texts(plain.result) != texts(guided.result)


@every_guide
def test_neighbours_make_no_difference(name: str) -> None:
    few, many = (texts(ran(grown(story(GUIDES[name]), n, Finish())).result) for n in (2, 9))
    assert many[:2] == few


@every_guide
@pytest.mark.parametrize(("page_size", "row_budget"), [(1, 512), (3, 5), (8, 2)])
def test_pages_and_steps_make_no_difference(name: str, page_size: int, row_budget: int) -> None:
    made = engine(page_size, row_budget=row_budget)
    assert texts(ran(grown(story(GUIDES[name]), 4, Finish()), made).result) == texts(
        ran(grown(story(GUIDES[name]), 4, Finish())).result
    )


@every_guide
def test_forks_and_cuts_keep_notes(name: str) -> None:
    made = engine()
    branch = made.prefill(story(GUIDES[name]))
    made.advance([branch], 6)
    [fork] = made.fork(branch, 1)
    tokens, notes = branch.tokens.copy(), branch.notes.copy()
    assert fork.notes == notes and len(notes) == 6
    made.truncate(fork, branch.num_prompt + 2)
    assert fork.notes == notes[:2] and branch.notes == notes
    made.truncate(branch, branch.num_prompt + 2)
    made.advance([branch, fork], 4)
    assert (branch.tokens, branch.notes) == (tokens, notes)  # the same randomness again
    assert len(fork.notes) == 6
    made.drop([branch, fork])
    assert is_empty(made)


@every_guide
def test_fork_is_free_of_consequence(name: str) -> None:
    """A fork goes on as if it had read everything itself: so does one whose pages were given up."""
    made = engine()
    branch = made.prefill(story(GUIDES[name]))
    made.advance([branch], 5)
    one, two = made.fork(branch, 2)
    made.drop([branch])
    for role in made.models:
        role.release(one)
    two.address = one.address
    made.advance([one, two], 5)
    assert one.tokens == two.tokens and one.notes == two.notes
    made.drop([one, two])


@every_guide
def test_a_text_in_stages_is_the_text_at_once(name: str) -> None:
    stages = ran(grown(story(GUIDES[name]), 3, Tokens(1), Tokens(4), Finish()))
    assert texts(stages.result) == texts(ran(grown(story(GUIDES[name]), 3, Finish())).result)


@every_guide
def test_greedy_follows_the_guided_law(name: str) -> None:
    """Temperature 0 takes the likeliest token of the guided law, so that many seeds agree."""
    cold = {str(texts(ran(grown(story(GUIDES[name], seed=s, temperature=0.0), 1, Finish())).result)) for s in range(4)}
    assert len(cold) == 1


def test_raw_log_probabilities_are_of_the_guided_law() -> None:
    source = story(GUIDES["genarm"]).with_logprobs("both")
    session = ran(grown(replace(source), 2, Finish()))
    assert session.result is not None
    for ended in session.result.ended:
        for each in ended.branch.logprobs:
            assert each.logprob == pytest.approx(each.drawn, abs=1e-12)


def test_best_of_n_under_a_guide_chooses_by_the_reward() -> None:
    chosen = selection(
        run("best-of-n", source=story(GUIDES["genarm"], ignore_eos=False), engine=engine(), reward=LENGTH, n=6)
    )
    assert chosen.best.score == max(e.score for e in chosen.ended if e.score is not None)
