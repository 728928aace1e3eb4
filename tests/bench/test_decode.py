"""The benches against transformers, on a shape so small that only their arithmetic and their books are tested."""

import pytest
import torch

from ramify.bench import decode, measure, peers, prefix
from ramify.bench.peers import Transformers, advance_to, engine_of, prompts_of, same_weights

TINY = {
    "vocab_size": 101, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "tie_word_embeddings": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(peers, "SHAPE_110M", TINY)
    monkeypatch.setattr(measure, "PATIENCE", 0)
    for bench in (decode, prefix):
        monkeypatch.setattr(bench, "PROMPT", 96)
        monkeypatch.setattr(bench, "NEW", 4)
        monkeypatch.setattr(bench, "VOCABULARY", 101)
    monkeypatch.setattr(prefix, "BRANCHES", 6)
    monkeypatch.setattr(prefix, "PAGES_ALONE", 96 // 16 + 4)


def test_decode_has_a_row_for_each_bound():
    rows = decode.run(rounds=1)
    assert [row["name"] for row in rows] == ["batch1", "batch32", "prefill32"]
    assert all(row["ratio"] > 0 and row["tokens_per_second"] > 0 for row in rows)
    assert all(row["baseline"] in ("transformers sdpa", "transformers eager") for row in rows)


def test_prefix_has_all_baselines():
    rows = prefix.run(rounds=1)
    assert [row["name"] for row in rows] == ["vs_transformers", "vs_unshared", "vs_apart"]
    assert all(row["ratio"] > 0 and row["foreign_cores"] >= 0 for row in rows)


def test_both_sides_have_the_same_weights():
    prompt_BT = torch.arange(40).view(2, 20)
    with same_weights(0) as folder:
        engine = engine_of(folder, num_pages=20, row_budget=16)
        branches = [engine.open(prompt) for prompt in prompts_of(prompt_BT, 0.0)]
        engine.advance(branches, 1)
        advance_to(engine, branches, 6)
        peer = Transformers(folder, "eager")
        peer.prefill(prompt_BT, copies=2)
        assert len(peer._state.sequences) == 4
        peer.prefill(prompt_BT)
        peer.decode(5)
    same = [b.generated == row[20:].tolist() for b, row in zip(branches, peer._state.sequences, strict=True)]
    assert any(same)  # in bf16 a near tie may fall either way
    engine.drop(branches)
    engine.check()
