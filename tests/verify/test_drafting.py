"""The G-test is scipy's, its power is what it says, and `ramify verify speculation --draft` reports it."""

import json

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from ramify.cli.main import app
from ramify.verify.statistics import beyond, cells, detectable, g_test

LAW = np.array([0.5, 0.3, 0.199, 0.001])


def test_chi_square_is_scipys() -> None:
    for freedom, x, far in ((1, 0.5, 0.0), (20, 30.0, 0.0), (20, 30.0, 15.0), (87, 140.0, 60.0)):
        want = stats.ncx2.sf(x, freedom, far) if far else stats.chi2.sf(x, freedom)
        assert beyond(x, freedom, far) == pytest.approx(want, rel=1e-8)


def test_cells_merge_what_is_rare_and_lose_nothing() -> None:
    law = cells(lambda paths: [LAW] * len(paths), 2, 1000)
    assert sum(law.mass.values()) == pytest.approx(1.0)
    assert law.mass[0, 1] == pytest.approx(0.15)
    assert min(law.mass.values()) >= 5.0 / 1000 and (3,) not in law.mass
    assert law.of((3, 0)) in law.mass and law.of((0, 3)) in law.mass


def test_a_right_law_passes_and_what_is_found_is_found_so_often() -> None:
    law, n, random = cells(lambda paths: [LAW] * len(paths), 1, 1000), 1000, np.random.default_rng(0)
    far = detectable(n, len(law.mass) - 1, 0.01)
    off = LAW + far * np.array([1.0, -0.6, -0.4, 0.0])  # the direction that is hardest to see, nearly
    found = {}
    for name, truth in (("right", LAW), ("wrong", off)):
        p = [g_test([(t,) for t in random.choice(4, n, p=truth)], law).p for _ in range(300)]
        found[name] = np.mean(np.array(p) < 0.01)
    assert found["right"] < 0.01 + 3 * 0.006
    assert found["wrong"] > 0.9 - 3 * 0.018


def test_a_law_of_one_cell_says_nothing() -> None:
    law = cells(lambda paths: [np.array([1.0, 0.0])] * len(paths), 2, 1000)
    test = g_test([(0, 0)] * 1000, law)
    assert (test.p, test.finds(0.01)) == (1.0, 1.0)


def test_the_command(tmp_path) -> None:
    data = tmp_path / "prompts.jsonl"
    data.write_text('{"prompt": "Tom has 12 apples and 5 pears. How many has he?\\n"}\n')
    call = ["verify", "speculation", "--draft", "ngram", "--data", str(data), "--samples", "100", "--json"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout.splitlines()[-1])
    tested = [row for row in document["rows"] if "p" in row]
    assert len(tested) == 2 and all(row["p"] > row["level"] and row["tested"] > 0 for row in tested)
    assert [row["law"] for row in document["rows"][:2]] == [
        f"greedy, batches of {batch}: 1 texts token for token" for batch in (1, 8)
    ]
    assert len(document["uncombined"]) == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["--draft", "ngram"], "it belongs to"),
        (["speculation", "--draft", "ngram", "--toy"], "it belongs to"),
        (["speculation", "--data", "x.jsonl"], "name a draft"),
        (["speculation", "--model", "x"], "name a draft"),
        (["speculation", "--draft", "ngram", "--data", "nowhere.jsonl"], "nowhere.jsonl"),
        (["speculation", "--draft", "ngram", "--samples", "1"], "samples"),
        (["speculation", "--draft", "ngrm"], "did you mean"),
    ],
)
def test_refusals(call: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["verify", *call])
    assert result.exit_code != 0
    assert message in result.output + str(result.exception)
