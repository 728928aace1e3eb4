"""The skeletons of docs/ADDING.md, executed as they stand there."""

import re
import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from ramify.core.errors import BadInput
from ramify.core.protocols import View
from ramify.core.registry import TABLES
from ramify.core.sampling import Sampling
from ramify.core.types import Ended, Prompt
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.model.attention import DenseCausal
from ramify.model.config import ARCHITECTURES, DecoderConfig
from ramify.model.decoder import Decoder
from ramify.model.linear import Linear
from ramify.reward.checker import Checker
from ramify.search.sample import sample
from ramify.toy.enumerate import total_variation
from ramify.toy.runner import toy_model
from ramify.verify.toys import PROMPT as TOY_PROMPT
from ramify.verify.toys import SMALL, TARGET, law_of, text_law
from tests.house.imports import hidden_problems, layer_problems, outside_problems, sibling_problems
from tests.house.source import ROOT, Module
from tests.house.wording import docstring_problems

BLOCK = re.compile(r"<!-- file: (?P<name>\w+)\.py -->\n```python\n(?P<text>.*?)```", re.DOTALL)
FILES = {m["name"]: m["text"] for m in BLOCK.finditer((ROOT / "docs/ADDING.md").read_text())}
PLACES = {
    "better_half": "search",
    "brevity": "reward",
    "politeness": "reward",
    "pool": "guide",
    "first_answer": "select",
    "halves": "verify",
    "transposed": "model",
    "architecture": "model",
}
PROMPT = Prompt((1, 2), Sampling(max_tokens=12), seed=3)


def executed(name: str) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": name}
    exec(compile(FILES[name], f"docs/ADDING.md:{name}.py", "exec"), space)
    return space


def longest_wins(prompt: str, text: str) -> float:
    return float(len(text))


def test_every_skeleton_is_tested() -> None:
    assert FILES.keys() == PLACES.keys()


@pytest.mark.parametrize("name", PLACES)
def test_skeletons_keep_the_house_rules(name: str) -> None:
    module = Module(f"{PLACES[name]}/{name}", FILES[name])
    rules = (layer_problems, outside_problems, sibling_problems, hidden_problems, docstring_problems)
    assert not [problem for rule in rules for problem in rule(module)]
    assert max(map(len, FILES[name].splitlines())) <= 120


def test_search() -> None:
    method = executed("better_half")["METHOD"]
    engine = Engine(toy_model())
    done = run_alone(engine, method.run(PROMPT, n=7, after=2), reward=Checker(longest_wins))
    assert done.result is not None
    ended = done.result.ended
    assert [e.stopped_because for e in ended].count("rejected") == 3
    assert done.result.best.score == max(e.score or 0 for e in ended if e.stopped_because != "rejected")
    engine.check()
    assert not engine.branches


def test_search_with_one_branch_is_sampling() -> None:
    method, reward = executed("better_half")["METHOD"], Checker(longest_wins)
    one = run_alone(Engine(toy_model()), method.run(PROMPT, n=1), reward=reward).result
    plain = run_alone(Engine(toy_model()), sample(PROMPT, n=1)).result
    assert one is not None
    assert plain is not None
    assert one.best.branch.tokens == plain.best.branch.tokens


def test_reward() -> None:
    reward = executed("brevity")["Brevity"]()
    branch = Engine(toy_model()).open(PROMPT)
    assert reward.final(View(branch, "p", "one two three")) == -3.0
    assert reward.partial(View(branch, "p", "")) == 0.0
    assert run_alone(Engine(toy_model()), executed("better_half")["better_half"](PROMPT), reward=reward).error is None


def test_reward_that_asks() -> None:
    polite = executed("politeness")["POLITENESS"]
    assert polite.score([-1.0, -3.0]) == 2.0
    on_the_toy = replace(polite, question="ab", choices=("a", "b"))  # its only letters
    done = run_alone(Engine(toy_model()), executed("better_half")["better_half"](PROMPT), reward=on_the_toy)
    assert done.result is not None
    assert done.result.best.score


def test_guide() -> None:
    make = executed("pool")["GUIDE"].make
    laws = {share: law_of("sample", guide=make(other="small", share=share)) for share in (0.0, 0.5, 1.0)}
    assert total_variation(laws[0.0], text_law()) < 1e-12
    assert total_variation(laws[1.0], text_law(model=SMALL)) < 1e-12
    first = {token: sum(mass for text, mass in laws[0.5].items() if text[0] == token) for token in range(3)}
    p, q = (model.logits([*TOY_PROMPT]).softmax(-1).tolist() for model in (TARGET, SMALL))
    pooled = [(a * b) ** 0.5 for a, b in zip(p, q, strict=True)]
    assert first == pytest.approx({token: mass / sum(pooled) for token, mass in enumerate(pooled)})
    with pytest.raises(BadInput, match="share"):
        make(other="small", share=2.0)


@pytest.mark.parametrize(("order", "holds"), [("reverse=True", True), ("reverse=False", False)])
def test_proof(monkeypatch: pytest.MonkeyPatch, order: str, holds: bool) -> None:
    written = ModuleType("better_half_as_written")
    exec(FILES["better_half"].replace("reverse=True", order), vars(written))
    monkeypatch.setitem(sys.modules, written.__name__, written)
    monkeypatch.setitem(TABLES["method"], "better-half", f"{written.__name__}:METHOD")
    one, two = (proof() for proof in executed("halves")["PROOFS"].values())
    assert one < 1e-12
    assert (two < 1e-12) == holds


def test_selection_rule() -> None:
    select = executed("first_answer")["select"]
    engine = Engine(toy_model())
    a, b, c = (Ended(engine.open(PROMPT), answer=answer) for answer in (None, 7, 7))
    assert select([a, b, c]) is b
    assert select([a]) is a


def test_linear_back_end() -> None:
    torch.manual_seed(0)
    layer = Linear(8, 5, bias=True)
    torch.nn.init.normal_(layer.weight)
    x_RI = torch.randn(3, 8)
    expected_RO = F.linear(x_RI, layer.weight, layer.bias)
    layer.use(executed("transposed")["Transposed"]())
    torch.testing.assert_close(layer(x_RI), expected_RO)


def test_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ramify.model.config.ARCHITECTURES", dict(ARCHITECTURES))
    executed("architecture")
    sizes = {"vocab_size": 11, "hidden_size": 8, "intermediate_size": 16}
    heads = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = DecoderConfig.from_hf({"model_type": "normed-llama", **sizes, **heads})
    assert (config.qk_norm, config.qkv_bias, config.norm_eps) == ("head", True, 1e-6)
    decoder = Decoder(config)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight)
    hidden_RD = decoder(torch.tensor([1, 2, 3]), torch.arange(3), DenseCausal(1, 3))
    assert decoder.logits(hidden_RD).isfinite().all()
