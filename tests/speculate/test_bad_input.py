"""Drafts that are none, and drafts that do not fit: one clear error each, at the door where that can be."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ramify import Speculate, load
from ramify.api import BUILTIN
from ramify.core.errors import BadInput, DraftError, Incompatible, UnknownName
from ramify.core.registry import lookup
from ramify.core.sampling import Sampling
from ramify.core.types import Prompt
from ramify.engine.driver import Driver
from ramify.speculate.tree import TokenTree
from tests.speculate.pair import drafting, plain, prompts, same, written

V = 626
UNIFORM = np.full(V, 1.0 / V)


def tree(tokens, parents, laws, how="iid"):
    return lambda text, most: TokenTree(tuple(tokens), tuple(parents), laws, how)


def fail(tokens, most):
    raise RuntimeError("out of ideas")


NONE_OF_IT = np.eye(V)[7]
BAD = {
    "NaN law": (tree([5], [-1], {-1: np.full(V, np.nan)}), "sums to nan"),
    "sum of two": (tree([5], [-1], {-1: 2.0 * UNIFORM}), "sums to 2"),
    "negative mass": (tree([5], [-1], {-1: np.eye(V)[5] * 2 - np.eye(V)[6]}), "law of the children"),
    "law too short": (tree([5], [-1], {-1: UNIFORM[:-1]}), "need the law"),
    "no law": (tree([5], [-1], {}), "need the law"),
    "impossible token": (tree([5], [-1], {-1: NONE_OF_IT}), "token 5 after node -1 has no mass"),
    "twice the same": (tree([5, 5], [-1, -1], {-1: UNIFORM}, "distinct"), "two are equal"),
    "parent drawn later": (tree([5, 6], [1, -1], {-1: UNIFORM, 1: UNIFORM}), "drawn later"),
    "outside the vocabulary": (tree([V], [-1], {-1: UNIFORM}), "the vocabulary has 626"),
    "parents missing": (tree([5, 6], [-1], {-1: UNIFORM}), "2 tokens with 1 parents"),
    "raises": (fail, "'fail' raised RuntimeError"),
    "not a list": (lambda tokens, most: 5, "returned 5"),
    "a text": (lambda tokens, most: "five", "returned 'five'"),
    "halves": (lambda tokens, most: [5, 0.5], "whole numbers"),
    "tokens without laws": (lambda tokens, most: [5], "without laws"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_function_that_does_not_draft(what):
    function, message = BAD[what]
    lm = drafting(function, verifier="recursive", shape="distinct:2" if what == "twice the same" else "chain:3")
    with pytest.raises(DraftError, match=message):
        lm.search(prompts(1)[0], "sample", n=1, seed=0, max_tokens=12)
    lm.check()
    assert not lm.engine.branches
    declined = lm.search(prompts(1)[0], "greedy", max_tokens=12, speculate=False)
    assert declined.text == plain().search(prompts(1)[0], "greedy", max_tokens=12).text


def test_others_in_the_batch_go_on():
    """Whose draft it was is known: that request ends with the error, the others end as they would have."""
    texts = prompts(4)
    bad = tuple(plain().encode(texts[2]))
    lm = drafting(lambda tokens, most: [9999] if tokens[: len(bad)] == bad else tokens[-most:], shape="chain:3")
    driver, method = Driver(lm.engine), lookup("method", "greedy")
    wish = Sampling(temperature=0.0, max_tokens=30)
    sessions = [driver.submit(method.run(Prompt(tuple(lm.encode(text)), wish, 0))) for text in texts]
    driver.run()
    assert [type(session.error) for session in sessions] == [type(None), type(None), DraftError, type(None)]
    assert not lm.engine.branches


def changed(folder, tmp_path, config=None, weights=None):
    """A copy of a built-in folder with another config.json or other weights."""
    made = tmp_path / "changed"
    shutil.copytree(BUILTIN / folder, made)
    if config is not None:
        old = json.loads((made / "config.json").read_text())
        (made / "config.json").write_text(json.dumps(old | config))
    if weights is not None:
        save_file(weights(load_file(made / "model.safetensors")), made / "model.safetensors", {"format": "pt"})
    return made


def test_a_draft_of_a_shorter_context_stops_there(tmp_path):
    short = changed("draft", tmp_path, {"max_position_embeddings": 96})
    wishes = {"temperature": 0.0, "max_tokens": 120, "ignore_eos": True}
    for shape in ("auto", "chain:4"):
        found = written(drafting(short, shape=shape), prompts(6), **wishes)
        assert all(same(written(plain(), prompts(6), **wishes), found))
        assert all(len(result.best.token_ids) == 120 for result in found)
        assert sum(result.ledger.drafts.accepted for result in found) > 20


def test_a_draft_of_a_longer_context_is_no_problem(tmp_path):
    long = changed("draft", tmp_path, {"max_position_embeddings": 4096})
    wishes = {"temperature": 0.0, "max_tokens": None, "ignore_eos": True}
    [a], [b] = written(plain(), prompts(1), **wishes), written(drafting(long, shape="chain:4"), prompts(1), **wishes)
    assert a.best.token_ids == b.best.token_ids


@pytest.mark.parametrize("verifier", ["coupled", "standard"])
@pytest.mark.parametrize("rows", [V + 14, V + 64])
def test_tail_padding_of_the_vocabulary_is_fine(rows, verifier, tmp_path):
    """The padding's logits are the likeliest of all, and must never be drafted."""

    def padded(weights):
        table = weights["model.embed_tokens.weight"]
        weights["model.embed_tokens.weight"] = torch.cat([table, 3.0 * table[: rows - V]]).contiguous()
        return weights

    draft = changed("draft", tmp_path, {"vocab_size": rows}, padded)
    for shape in ("chain:4", "best-first:5") if verifier == "coupled" else ("chain:4",):
        found = written(drafting(draft, verifier=verifier, shape=shape), prompts(6), temperature=0.0)
        assert all(same(written(plain(), prompts(6), temperature=0.0), found))


def test_other_tokens_are_refused_with_the_pair(tmp_path):
    other = changed("draft", tmp_path)
    read = json.loads((other / "tokenizer.json").read_text())
    vocabulary = read["model"]["vocab"]
    first, second = (next(text for text, i in vocabulary.items() if i == wanted) for wanted in (40, 41))
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (other / "tokenizer.json").write_text(json.dumps(read))
    with pytest.raises(Incompatible, match=r"draft .*changed.* with target .*target.*tokens? differ") as refused:
        load("builtin", speculate=other)
    assert len(refused.value.pair) == 2


@pytest.mark.parametrize("shape", ["chain:3", "distinct:2,2", "auto"])
def test_damaged_weights_of_a_draft_end_with_an_error(shape, tmp_path):
    damaged = changed("draft", tmp_path, weights=lambda w: {k: torch.full_like(t, torch.nan) for k, t in w.items()})
    lm = drafting(damaged, shape=shape)
    with pytest.raises(DraftError, match="draft"):
        written(lm, prompts(2), temperature=1.0)
    lm.check()
    assert not lm.engine.branches


REFUSED = (
    ({"draft": "ngram", "verifier": "standard"}, ("standard", "ngram")),
    ({"draft": "builtin-draft", "verifier": "standard", "shape": "independent:2,1"}, ("standard", "a tree")),
    ({"draft": "builtin-draft", "verifier": "block", "shape": "independent:2"}, ("block", "a tree")),
    ({"draft": "builtin-draft", "verifier": "standard", "shape": "likeliest:2"}, ("standard", "given siblings")),
    ({"draft": "builtin-draft", "verifier": "reflective", "lossy": True}, ("reflective", "loop")),
    ({"draft": "ngram", "layers": 1}, ("layers=1", "ngram")),
)


@pytest.mark.parametrize(("wish", "pair"), REFUSED)
def test_what_does_not_compose_is_refused_by_name(wish, pair):
    with pytest.raises(Incompatible) as refused:
        load("builtin", speculate=Speculate(**wish))
    assert all(name in said for name, said in zip(pair, refused.value.pair, strict=True))


@pytest.mark.parametrize("verifier", ["typical", "biased"])
def test_a_lossy_rule_wants_to_be_asked_for(verifier):
    with pytest.raises(BadInput, match="lossy=True"):
        drafting(verifier=verifier, shape="chain:3")


@pytest.mark.parametrize(
    ("wish", "near"),
    [
        ({"verifier": "standart"}, "standard"),
        ({"shape": "chian:3"}, "chain"),
        ({"draft": "ngrm"}, "ngram"),
        ({"draft": "builtin-medussa"}, "builtin-medusa"),
        ({"verifier": "typical", "lossy": True, "shape": "chain:2", "options": {"epsilo": 0.1}}, "epsilon"),
    ],
)
def test_unknown_names_suggest_near_ones(wish, near):
    with pytest.raises(UnknownName, match=f"did you mean '{near}'"):
        load("builtin", speculate=Speculate(**{"draft": "builtin-draft"} | wish))


@pytest.mark.parametrize(
    "shape",
    ["chain:x", "chain:0", "chain:-1", "chain", "chain:", "stochastic-beams:2", "distinct:0", "fixed:3", "chain:1,2",
     "best-first:0", "stochastic-beams:0,2", "chain:1.5", "independent:"],
)  # fmt: skip
def test_malformed_shapes_are_refused(shape):
    with pytest.raises(BadInput):
        drafting(shape=shape)


@pytest.mark.parametrize("draft", [5, None, ["ngram"]])
def test_what_is_no_draft_at_all(draft):
    with pytest.raises(BadInput, match="draft"):
        load("builtin", speculate=Speculate(draft=draft))
