"""Sampling parameters are refused at the door, naming the field."""

import math
from typing import Any

import pytest

from ramify.core.errors import BadInput, UnknownName
from ramify.core.sampling import Sampling
from ramify.core.strict import from_mapping

WRONG: list[tuple[str, Any]] = [
    *(("temperature", x) for x in (math.nan, math.inf, -0.1, 101.0, "1", None, True, 10**400)),
    *(("top_k", x) for x in (-1, 1.5, True, "3", None)),
    *(("top_p", x) for x in (0, 0.0, 1.5, -0.5, math.nan, "0.5")),
    *(("min_p", x) for x in (-0.1, 1.1, math.nan)),
    *(("repetition_penalty", x) for x in (0, 0.0, -1.0, math.inf)),
    *(("presence_penalty", x) for x in (-2.1, 2.1, math.nan)),
    *(("frequency_penalty", x) for x in (-2.1, 2.1, math.nan)),
    *(
        ("logit_bias", x)
        for x in ({"1": 0.5}, {1.0: 0.5}, {-1: 0.5}, {True: 0.5}, {1: math.nan}, {1: 101.0}, None, [(1, 0.5)], 3)
    ),
    *(("bad_words", x) for x in ("bad", ("",), (3,), 3)),
    *(("stop", x) for x in ("bad", ("",), (3,), None)),
    *(("stop_token_ids", x) for x in (3, (-1,), (1.5,), ("1",), (True,))),
    *(("ignore_eos", x) for x in ("yes", 1, None)),
    *(("seed", x) for x in (1.5, "3", True, 1 << 64)),
    *(("max_tokens", x) for x in (0, -1, 1.5, True, 10**9)),
    *(("logprobs", x) for x in (-1, 21, True, 1.0)),
    *(("prompt_logprobs", x) for x in (-1, 21, True)),
    *(("logprobs_mode", x) for x in ("Raw", "", None)),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda x: repr(x)[:20])
def test_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(BadInput) as caught:
        Sampling(**{field: value})
    assert caught.value.field.startswith(field)


EDGES: list[dict[str, Any]] = [
    {"temperature": 0},
    {"temperature": 100},
    {"top_p": 1},
    {"top_p": 1e-300},
    {"min_p": 1},
    {"top_k": 1},
    {"logit_bias": {0: -100, 5: 100}},
    {"stop": ["a list", "will do"]},
    {"stop_token_ids": [1, 2]},
    {"logprobs": 0},
    {"seed": -(1 << 63)},
    {"seed": (1 << 64) - 1},
]


@pytest.mark.parametrize("values", EDGES, ids=str)
def test_edges_are_allowed(values: dict[str, Any]) -> None:
    Sampling(**values)


def test_a_rule_is_what_shapes_a_row() -> None:
    a = Sampling(temperature=0.5, logit_bias={2: 1.0, 1: -1.0}, seed=3, max_tokens=4, logprobs=2)
    b = Sampling(temperature=0.5, logit_bias={1: -1.0, 2: 1.0}, stop=("x",))
    assert a.rule() == b.rule()
    assert hash(a.rule()) == hash(b.rule())
    assert a.rule(((1, 2),)) != b.rule()


@pytest.mark.parametrize(
    ("values", "reads"),
    [
        ({}, False),
        ({"logit_bias": {1: 1.0}, "top_k": 3}, False),
        ({"repetition_penalty": 1.1}, True),
        ({"presence_penalty": -0.5}, True),
        ({"frequency_penalty": 0.5}, True),
    ],
)
def test_which_rules_read_the_path(values: dict[str, Any], reads: bool) -> None:
    assert Sampling(**values).rule().reads_path is reads


def test_bad_runs_of_two_read_the_path() -> None:
    assert not Sampling().rule(((1,),)).reads_path
    assert Sampling().rule(((1,), (2, 1))).reads_path


def test_an_unknown_option_suggests_the_near_one() -> None:
    with pytest.raises(UnknownName, match=r"option: unknown 'temprature'; did you mean 'temperature'\?"):
        from_mapping(Sampling, {"temprature": 1.0})
