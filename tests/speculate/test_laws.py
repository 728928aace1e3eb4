"""Every rule under every shape it reads leaves plain decoding's law as it is: by enumeration of every outcome."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from typer.testing import CliRunner

from ramify.cli.main import app
from ramify.core.errors import BadInput
from ramify.core.registry import lookup, names
from ramify.speculate.shapes import Distinct, Independent, Likeliest, Shape, grow
from ramify.speculate.tree import Accepted, Chance, Masses, TokenTree, Verifier
from ramify.speculate.verifiers import block, coupled, k_sequential, recursive, standard
from ramify.toy.enumerate import Tape, outcomes
from ramify.verify import speculation
from ramify.verify.speculation import SIZE, LawAfter, combinations, distance, paths_of, reads

VERIFIERS = [lookup("verifier", name) for name in names("verifier")]
CHAINS = [Independent((1,)), Independent((1, 1)), Independent((1, 1, 1)), Distinct((1, 1))]
TREES = [
    Independent((2,)), Independent((3,)), Independent((2, 2)), Independent((3, 1)),
    Distinct((2,)), Distinct((3,)), Distinct((4,)), Distinct((2, 2)), Distinct((2, 1, 1)),
    Likeliest((1, 1, 1)), Likeliest((2,)), Likeliest((2, 2)), Likeliest((4, 1)),
]  # fmt: skip
KINDS = ("smooth", "with zeros", "greedy target", "greedy draft", "far apart", "equal")


@cache
def law(kind: str, side: str, path: tuple[int, ...]) -> Masses:
    """The target's or the draft's law after a path."""
    who = 0 if side == "draft" and kind != "equal" else 1
    random = np.random.default_rng([who, len(kind), *path, 7])
    mass = random.dirichlet(np.ones(SIZE) * (0.3 if kind == "far apart" else 1.0))
    if kind == "with zeros":
        mass[random.integers(SIZE)] = 0.0
    if kind == f"greedy {side}":
        mass = np.eye(SIZE)[random.integers(SIZE)]
    return mass / mass.sum()


def after(kind: str, side: str) -> LawAfter:
    return partial(law, kind, side)


CASES = [(v, s) for v in VERIFIERS for s in (*CHAINS, *TREES) if reads(v, s)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("verifier", "shape"), CASES, ids=lambda x: getattr(x, "name", repr(x)))
def test_the_law_is_plain_decodings(verifier: Verifier, shape: Shape, kind: str) -> None:
    assert distance(verifier, shape, after(kind, "target"), after(kind, "draft")) <= 1e-12


def accepted_length(verifier: Verifier, shape: Shape, kind: str) -> float:
    target, draft = after(kind, "target"), after(kind, "draft")

    def run(tape: Tape) -> int:
        tree = grow(shape, lambda paths: [draft(tuple(path)) for path in paths], tape)
        return len(verifier.accept([target(path) for path in paths_of(tree)], tree, tape).path)

    return sum(n * probability for n, probability in outcomes(run).items() if isinstance(n, int))


@pytest.mark.parametrize("kind", KINDS)
def test_who_accepts_more(kind: str) -> None:
    chain = Independent((1, 1, 1))
    token_by_token = accepted_length(standard.VERIFIER, chain, kind)
    assert accepted_length(block.VERIFIER, chain, kind) >= token_by_token - 1e-12
    assert accepted_length(coupled.VERIFIER, chain, kind) <= token_by_token + 1e-12
    alone = accepted_length(standard.VERIFIER, Independent((1,)), kind)
    assert accepted_length(recursive.VERIFIER, Distinct((2,)), kind) >= alone - 1e-12
    assert accepted_length(k_sequential.VERIFIER, Independent((2,)), kind) >= alone - 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_rejections_are_the_total_variation(kind: str) -> None:
    """Yin et al., "A Theoretical Perspective for Speculative Decoding Algorithm", arXiv:2411.00841, theorem 1."""
    p_V, q_V = law(kind, "target", ()), law(kind, "draft", ())
    rejected = 1.0 - accepted_length(standard.VERIFIER, Independent((1,)), kind)
    assert rejected == pytest.approx(np.abs(p_V - q_V).sum() / 2, abs=1e-12)


def test_a_law_that_is_all_drawn_is_covered() -> None:
    """Every token of the vocabulary as a sibling, without replacement: somebody is always accepted."""
    for kind in KINDS[:1]:
        assert accepted_length(recursive.VERIFIER, Distinct((SIZE,)), kind) == pytest.approx(1.0)


def test_the_proof_covers_what_it_says() -> None:
    told = list(combinations())
    assert len(told) == len(set(told)) >= 150
    assert {verifier for verifier, _, _ in told} == set(names("verifier"))


def test_a_wrong_rule_is_noticed() -> None:
    def believe(p: Sequence[Masses], tree: TokenTree, chance: Chance) -> Accepted:
        return Accepted(tuple(range(len(tree.tokens))), chance.choose(p[-1].tolist()))

    naive = replace(standard.VERIFIER, accept=believe)
    assert distance(naive, Independent((1, 1)), after("smooth", "target"), after("smooth", "draft")) > 0.05


def test_rows_and_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speculation, "SHAPES", {"a chain of 1": Independent((1,)), "2 distinct": Distinct((2,))})
    result = CliRunner().invoke(app, ["verify", "speculation", "--json"])
    document = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_code == 0 and document["ok"]
    assert len(document["rows"]) == len(list(combinations()))
    assert {"name", "law", "distance", "bound", "ok"} <= document["rows"][0].keys()
    refused = CliRunner().invoke(app, ["verify", "speculation", "--model", "builtin-draft"])
    assert refused.exit_code == 2 or isinstance(refused.exception, BadInput)


def test_a_shape_without_children_is_refused() -> None:
    for shape in (Independent, Distinct, Likeliest):
        for widths in ((), (0,), (2, 0)):
            with pytest.raises(BadInput, match="widths"):
                shape(widths)
