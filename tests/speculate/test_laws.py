"""Every rule under every shape it reads leaves plain decoding's law as it is: by enumeration of every outcome."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from typer.testing import CliRunner

from ramify.cli.main import app
from ramify.core.errors import BadInput
from ramify.core.registry import lookup, names
from ramify.speculate.beams import StochasticBeams
from ramify.speculate.best_first import BestFirst
from ramify.speculate.fixed import Fixed
from ramify.speculate.shapes import Distinct, Independent, Likeliest, Shape, grow
from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier
from ramify.speculate.verifiers import recursive, standard
from ramify.verify import acceptance, speculation
from ramify.verify.beams import EnumerableBeams
from ramify.verify.drafts import LAWS, TREES, transformed
from ramify.verify.enumeration import distance
from ramify.verify.searches import SAMPLINGS
from ramify.verify.speculation import OF_FIVE, SHAPES, WIDE, reads, row_rule, rules, speculation_is_lossless, uncombined
from tests.speculate.enumerated import KINDS, after, law
from tests.speculate.test_beams import Random

CHAINS = [Independent((1,)), Independent((1, 1)), Independent((1, 1, 1)), Distinct((1, 1))]
TREES_OF = [
    Independent((2,)), Independent((3,)), Independent((2, 1)), Independent((3, 1)),
    Distinct((2,)), Distinct((3,)), Distinct((4,)), Distinct((2, 2)), Distinct((2, 1, 1)),
    EnumerableBeams(2, 2), EnumerableBeams(4, 2),
    Likeliest((1, 1, 1)), Likeliest((2,)), Likeliest((2, 2)), Likeliest((4, 1)), BestFirst(5),
]  # fmt: skip
CASES = [(rule, shape) for rule in rules().values() for shape in (*CHAINS, *TREES_OF) if reads(rule, shape)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("verifier", "shape"), CASES, ids=lambda x: getattr(x, "name", repr(x)))
def test_the_law_is_plain_decodings(verifier: Verifier, shape: Shape, kind: str) -> None:
    assert distance(verifier, shape, after(kind, "target"), after(kind, "draft")) <= 1e-12


def test_two_independent_at_two_levels() -> None:
    for name in ("recursive", "k-sequential"):
        shape = Independent((2, 2))
        assert distance(lookup("verifier", name), shape, after("smooth", "target"), after("smooth", "draft")) <= 1e-12


def test_a_wrong_rule_is_noticed() -> None:
    def believe(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
        return Accepted(tuple(range(len(tree.tokens))), chance.choose(p[-1]))

    naive = replace(standard.VERIFIER, accept=believe)
    assert distance(naive, Independent((1, 1)), after("smooth", "target"), after("smooth", "draft")) > 0.05


def test_a_shape_that_looks_at_its_tokens_is_noticed() -> None:
    """A second sibling only if it is one certain token: whether it is there then says which one it is."""

    def off(kind: str, wanted: int) -> float:
        class Choosy(Distinct):
            def children(self, mass_V: Masses, width: int, chance: Chance) -> list[int]:
                drawn = Distinct.children(self, mass_V, width, chance)
                return drawn if drawn[1:] == [wanted] else drawn[:1]

        target, draft = (partial(law, kind, side, size=5) for side in ("target", "draft"))
        return distance(recursive.VERIFIER, Choosy((2,)), target, draft, 5)

    # of 5 tokens: it takes two that the target has too much of
    assert max(off(kind, wanted) for kind, wanted in product(KINDS, range(5))) > 0.01


def test_the_proof_covers_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every drafter, shape and rule is enumerated under every sampling, or is listed with the reason why not."""
    monkeypatch.setattr(speculation, "off_plain", lambda *rest: 0.0)
    monkeypatch.setattr(speculation, "grown", lambda *rest: [])
    monkeypatch.setattr(speculation, "verified", lambda *rest: {})
    claims, apart = list(speculation_is_lossless()), list(uncombined())
    told = {(claim.drafter, claim.shape, claim.rule, claim.sampling) for claim in claims}
    assert len(told) == len(claims) >= 1_700
    assert all(claim.reason for claim in apart) and not any(claim.reason for claim in claims)
    without = {(claim.drafter, claim.shape, claim.rule) for claim in apart}
    for drafter in LAWS:
        for shape in SHAPES | OF_FIVE | WIDE:
            for rule in rules():
                proved = {(drafter, shape, rule, sampling) in told for sampling in SAMPLINGS}
                left_out = (drafter, shape, rule) in without or (speculation.ANY, shape, rule) in without
                assert proved == {not left_out}
    for drafter in TREES:
        for rule in rules():
            proved = {(drafter, speculation.AS_FOUND, rule, sampling) in told for sampling in SAMPLINGS}
            assert proved == {(drafter, speculation.AS_FOUND, rule) not in without}
    assert set(rules()) | {"typical", "biased", "reflective"} == set(names("verifier"))


def test_what_drafts_is_no_stand_in_for_the_target() -> None:
    """Every drafter drafts badly enough to be refused sometimes, and its laws went through the transforms."""
    for logits in LAWS.values():
        draft, target = (transformed(one, row_rule("plain")) for one in (logits, speculation.TARGET))
        assert max(np.abs(draft(path) - target(path)).sum() for path in ((), (1,), (1, 2))) > 0.4
        assert np.count_nonzero(transformed(logits, row_rule("temperature 0"))((1,))) == 1
        plain, penalised = (transformed(logits, row_rule(name)) for name in ("plain", "presence and frequency"))
        assert not np.allclose(plain((1, 1)), penalised((1, 1)))
    suffix = TREES["suffix look-up"](speculation.NODES)
    assert not speculation.is_chain(suffix)


def test_rows_and_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: dict[str, Shape] = {"a chain of 1": Independent((1,)), "2 distinct": Distinct((2,))}
    few = {name: SAMPLINGS[name] for name in ("plain", "top-k 2")}
    monkeypatch.setattr(speculation, "SHAPES", shapes)
    for others in ("OF_FIVE", "WIDE"):
        monkeypatch.setattr(speculation, others, {})
    for module in (speculation, acceptance):
        monkeypatch.setattr(module, "SAMPLINGS", few)
    result = CliRunner().invoke(app, ["verify", "speculation", "--json"])
    document = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 0 and document["ok"]
    drafters, ladder, claims = len(LAWS), len(acceptance.LADDER), len(acceptance.CLAIMS)
    assert len(document["rows"]) == 2 * (drafters * (5 + 2) + len(TREES) + ladder + drafters * claims)
    assert {"name", "law", "distance", "bound", "ok", "drafter", "shape", "rule", "sampling"} <= {*document["rows"][0]}
    assert all(row["distance"] <= 1e-12 for row in document["rows"])
    assert document["uncombined"] and all(row["reason"] for row in document["uncombined"])
    shown = CliRunner().invoke(app, ["verify", "speculation"])
    assert shown.exit_code == 0 and "standard reads chains only" in shown.stdout
    refused = CliRunner().invoke(app, ["verify", "speculation", "--model", "builtin-draft"])
    assert refused.exit_code == 2 or isinstance(refused.exception, BadInput)


def test_a_broken_rule_fails_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speculation, "SHAPES", {"a chain of 1": Independent((1,))})
    for others in ("OF_FIVE", "WIDE"):
        monkeypatch.setattr(speculation, others, {})
    for module in (speculation, acceptance):
        monkeypatch.setattr(module, "SAMPLINGS", {"plain": SAMPLINGS["plain"]})
    monkeypatch.setattr("ramify.speculate.tree.surplus", lambda p_V, q_V: p_V)
    assert CliRunner().invoke(app, ["verify", "speculation", "--json"]).exit_code == 1


def test_a_shape_without_children_is_refused() -> None:
    for shape in (Independent, Distinct, Likeliest):
        for widths in ((), (0,), (2, 0)):
            with pytest.raises(BadInput, match="widths"):
                shape(widths)


EVERY_SHAPE: list[Shape] = [
    Independent((2, 1, 2)), Distinct((2, 2)), Likeliest((2, 1)), StochasticBeams(2, 3), EnumerableBeams(2, 2),
    BestFirst(5), BestFirst(4, 2), Fixed((-1, 0, -1, 0, 2, 3)), Independent((1, 1)),
]  # fmt: skip


@pytest.mark.parametrize("shape", EVERY_SHAPE, ids=repr)
def test_a_shape_keeps_to_what_it_says_of_itself(shape: Shape) -> None:
    """Levels, nodes and whether it is a chain; and cut to fewer levels it is the upper part of itself, or its best."""

    def grown_by(shape: Shape) -> TokenTree:
        chance = Random()
        return grow(shape, lambda paths: [law("smooth", "draft", path) for path in paths], chance)

    def levels(tree: TokenTree) -> list[int]:
        depth = {-1: 0}
        for node, parent in enumerate(tree.parents):
            depth[node] = depth[parent] + 1
        return [depth[node] for node in range(len(tree.tokens))]

    whole = grown_by(shape)
    assert len(whole.tokens) <= shape.nodes and max(levels(whole)) <= shape.depth
    assert speculation.is_chain(whole) or not shape.is_chain
    assert shape.within(9).depth == shape.depth and shape.within(9).nodes == shape.nodes
    upper = shape.within(1)
    assert (upper.depth, upper.how) == (1, shape.how) and set(levels(grown_by(upper))) == {1}
    if not isinstance(shape, BestFirst):
        assert upper.nodes == levels(whole).count(1)
        if not isinstance(shape, EnumerableBeams):  # its draws do not come level by level
            first = [node for node, level in enumerate(levels(whole)) if level == 1]
            assert grown_by(upper).tokens == tuple(whole.tokens[node] for node in first)


def test_one_call_a_level_and_the_paths_it_asks_for() -> None:
    asked = list[list[tuple[int, ...]]]()

    def laws(paths: Sequence[tuple[int, ...]]) -> list[Masses]:
        asked.append(list(paths))
        return [np.full(3, 1 / 3)] * len(paths)

    tree = grow(Distinct((2, 1)), laws, Random())
    first, second = tree.tokens[:2]
    assert asked == [[()], [(first,), (second,)]]
    assert tree.parents == (-1, -1, 0, 1) and set(tree.laws) == {-1, 0, 1}
    assert tree.scores == pytest.approx((1 / 3, 1 / 3, 1 / 9, 1 / 9))
