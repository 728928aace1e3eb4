"""Steps of a few rows have ways of their own through the layers: each gives what an operation at a time gives."""

from functools import partial

import pytest
import torch

from ramify.model import few_rows
from ramify.model.few_rows import FewRows
from tests.model.test_backends import ONE_BY_ONE, SHAPES, prepared, run

WAYS = {"usual": (0, 0), "whole": (16, 64), "between": (1, 64)}  # most rows of a layer in one call; of either way


def noted(taken, name, way, *args):
    taken.add(name)
    way(*args)


def answers(name, way, dtype, monkeypatch):
    """Logits of texts read row by row, and which ways their steps took."""
    most, several = WAYS[way]
    monkeypatch.setattr(few_rows, "MANY", several)
    decoder, taken = prepared(name, "fast", dtype), set()
    through = decoder.through
    assert isinstance(through, FewRows)
    through.most = most
    for known in ("whole", "between"):
        monkeypatch.setattr(through, f"_{known}", partial(noted, taken, known, getattr(through, f"_{known}")))
    return run(decoder, "fast", ONE_BY_ONE), taken


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"mixtral"}))
@pytest.mark.parametrize("way", ["whole", "between"])
def test_a_way_gives_what_single_operations_give(name, way, monkeypatch):
    (want, none), (got, taken) = (answers(name, each, torch.float32, monkeypatch) for each in ("usual", way))
    assert not none and way in taken
    assert got.keys() == want.keys()
    for key in want:
        torch.testing.assert_close(got[key], want[key], atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("name", ["olmo2", "gemma2", "phi"])
def test_in_bf16_calls_between_products_lose_no_more_than_single_operations(name, monkeypatch):
    truth, errors = answers(name, "usual", torch.float32, monkeypatch)[0], {}
    for way in ("usual", "between"):
        got, _ = answers(name, way, torch.bfloat16, monkeypatch)
        errors[way] = sum((got[key] - truth[key]).square().mean().item() for key in truth)
    assert errors["between"] < 1.1 * errors["usual"]
