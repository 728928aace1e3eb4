"""The account of a run."""

from ramify.core.ledger import Ledger, ModelAccount


def ledger(factor: int) -> Ledger:
    made = Ledger(factor, 2 * factor, 0.5 * factor, 10 * factor, 20 * factor, factor, factor)
    made.models = {"target": ModelAccount(3 * factor, factor, factor, 4.0 * factor)}
    return made


def test_adding_sums_counts_and_keeps_the_larger_peak() -> None:
    total = ledger(1)
    total.add(ledger(3))
    assert total.row() == {
        "prompt_tokens": 4,
        "generated_tokens": 8,
        "flops": 16.0,
        "seconds": 2.0,
        "recomputed_tokens": 4,
        "peak_kv_bytes": 30,
        "peak_unshared_kv_bytes": 60,
        "kv_sharing": 0.5,
        "forks": 4,
        "pages_copied": 4,
        "target_tokens": 12,
        "target_passes": 4,
        "target_flops": 16.0,
    }


def test_adding_leaves_the_other_as_it_was() -> None:
    total, other = Ledger(), ledger(2)
    total.add(other)
    total.add(other)
    assert other == ledger(2)
    assert total.models["target"] is not other.models["target"]
    assert total.models["target"].tokens == 12


def test_totals_are_of_all_models() -> None:
    made = ledger(1)
    made.model("judge").flops = 5.0
    made.model("judge").recomputed = 2
    assert (made.flops, made.recomputed_tokens) == (9.0, 3)
    assert "judge 0 tokens in 0 passes" in str(made)


def test_an_empty_ledger_has_words_too() -> None:
    assert "no model" in str(Ledger())
