"""TreeBoN: layers, kept shares, and its simpler settings."""

import pytest

from ramify.core.errors import BadInput
from tests.search.runs import best, drawn, run, selection
from tests.toys import prompt

SEEDS = range(8)


@pytest.mark.parametrize("options", [{"layers": 1}, {"children": 1, "layer_tokens": 2}])
@pytest.mark.parametrize("seed", SEEDS)
def test_one_layer_or_one_child_is_best_of_n(seed: int, options: dict[str, int]) -> None:
    mine, plain = run("treebon", seed=seed, n=6, **options), run("best-of-n", seed=seed, n=6)
    assert (drawn(mine), best(mine)) == (drawn(plain), best(plain))


@pytest.mark.parametrize("seed", SEEDS)
def test_one_node_is_a_sample(seed: int) -> None:
    assert best(run("treebon", seed=seed, n=1, layer_tokens=2)) == best(run("sample", seed=seed))


def test_layers_share_their_prefixes() -> None:
    """Every text of the last layer goes on from one that was kept, and costs fewer tokens than a text of its own."""
    source = prompt(1, 2, 1, max_tokens=12)
    session = run("treebon", source=source, n=8, layers=3, children=4, layer_tokens=3)
    chosen = selection(session)
    assert [r["live"] for r in chosen.rounds] == [8, 8, 8]
    assert session.ledger.generated_tokens == 8 * 3 + 8 * 3 + 8 * 6
    assert session.ledger.recomputed_tokens == 0
    finished = [e for e in chosen.ended if e.branch.done]
    assert len(finished) == 8
    assert len({tuple(e.branch.generated[:6]) for e in finished}) <= 2


@pytest.mark.parametrize("option", ["n", "layers", "children", "layer_tokens"])
def test_bad_options_are_refused(option: str) -> None:
    with pytest.raises(BadInput, match=f"{option}: 0"):
        run("treebon", **{option: 0})
