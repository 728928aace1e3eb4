"""What drafting gains, where it must not lose, and what trees gain over chains.

Text against text: every way answers the same prompts from the beginning, prompts read and drafts prepared included.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ramify.api import LM, Speculate, load, problems
from ramify.bench.assisted import Assisted
from ramify.bench.measure import Row, interleaved, row
from ramify.core.ledger import Ledger
from ramify.core.results import Result

DRAFT = "builtin-draft"
MAX_TOKENS = 128
TEMPERATURES = (0.0, 0.7, 1.0)
BATCHES = (1, 8, 32)
LEAST_PROMPTS = 8
TREE_ROWS, TREE_TEMPERATURE, TREE_PROMPTS = 30, 1.5, 64
SHAPES = {  # of TREE_ROWS drafted rows each
    "chain": ("standard", f"chain:{TREE_ROWS}"),
    "RSD-S": ("recursive", "stochastic-beams:2,15"),
    "without replacement": ("recursive", "distinct:2,2,2,2"),
    "with replacement": ("recursive", "independent:2,2,2,2"),
    "SpecTr": ("k-sequential", "independent:2,2,2,2"),
    "likeliest": ("coupled", f"best-first:{TREE_ROWS}"),
}
OTHERS = ("builtin-aligned", "builtin-medusa", "ngram", "skip-layers")
Say = Callable[[str], None]


def run(*, seed: int = 0, progress: Say = lambda text: None) -> list[Row]:
    """All rows: gains at batch 1, every temperature and batch, `transformers` beside it, trees against chains."""
    prompts = [problem.prompt for problem in problems(max(*BATCHES, TREE_PROMPTS), seed)]
    with load("builtin") as plain, load("builtin", speculate=DRAFT) as drafts:
        rows = [*_batch_one(plain, drafts, prompts, seed, progress)]
        rows += _never_slower(plain, drafts, prompts, seed, progress)
    rows += _assisted(prompts[:LEAST_PROMPTS], seed, progress)
    return [*rows, *_trees(prompts[:TREE_PROMPTS], seed, progress)]


def _batch_one(plain: LM, drafts: LM, prompts: Sequence[str], seed: int, progress: Say) -> list[Row]:
    progress("batch 1, temperature 0, drafts and plain decoding turn by turn")
    some = prompts[:LEAST_PROMPTS]
    timing = interleaved({"plain": _way(plain, some, 1, 0.0, seed), "drafts": _way(drafts, some, 1, 0.0, seed)})
    gain, account = timing.ratio("plain", "drafts"), _account(_way(drafts, some, 1, 0.0, seed)())
    rows = [
        row("best_batch1_greedy", gain, "times as fast", 1.5)
        | {"ratio": gain, "baseline": "plain decoding", "draft": DRAFT, "foreign_cores": timing.foreign},
        row("block_efficiency", account.block_efficiency, "tokens a pass of the target", 3.0) | _drafted(account),
    ]
    for other in OTHERS:
        progress(f"{other}, the same")
        with load("builtin", speculate=other) as lm:
            gain = interleaved({"plain": _way(plain, some, 1, 0.0, seed), other: _way(lm, some, 1, 0.0, seed)}).ratio(
                "plain", other
            )
            account = _account(_way(lm, some, 1, 0.0, seed)())
        more = {"ratio": gain, "baseline": "plain decoding", "block_efficiency": account.block_efficiency}
        rows.append(
            row(f"batch1_greedy_{other.removeprefix('builtin-')}", gain, "times as fast") | more | _drafted(account)
        )
    return rows


def _never_slower(plain: LM, drafts: LM, prompts: Sequence[str], seed: int, progress: Say) -> list[Row]:
    rows = list[Row]()
    for temperature in TEMPERATURES:
        for batch in BATCHES:
            progress(f"temperature {temperature:g}, batch {batch}")
            some = prompts[: max(batch, LEAST_PROMPTS)]
            ways = {
                name: _way(lm, some, batch, temperature, seed) for name, lm in (("plain", plain), ("drafts", drafts))
            }
            ways["drafts"]()  # what the controller learns in the warm-up serves all rounds
            timing = interleaved(ways)
            gain, account = timing.ratio("plain", "drafts"), _account(ways["drafts"]())
            more = {"ratio": gain, "baseline": "plain decoding", "foreign_cores": timing.foreign}
            name = f"never_slower_t{temperature:g}_b{batch}"
            rows.append(row(name, gain, "times as fast", 0.98) | more | _drafted(account))
    return rows


def _assisted(prompts: Sequence[str], seed: int, progress: Say) -> list[Row]:
    progress("transformers' assisted generation, the same models and prompts")
    with load("builtin", speculate=DRAFT) as lm:
        peer = Assisted("builtin", DRAFT)
        tokens = [lm.encode(prompt) for prompt in prompts]
        same = [peer.answer(ids, MAX_TOKENS) for ids in tokens]
        ours = _way(lm, prompts, 1, 0.0, seed)
        equal = sum(tuple(a) == b.best.token_ids for a, b in zip(same, ours(), strict=True))
        timing = interleaved(
            {"assisted": lambda: [peer.answer(ids, MAX_TOKENS) for ids in tokens], "ramify": ours}, rounds=5
        )
    gain = timing.ratio("assisted", "ramify")
    more = {"ratio": gain, "baseline": "transformers, assistant_model", "equal_answers": equal, "of": len(prompts)}
    return [row("vs_transformers_assisted", gain, "times as fast", 2.0) | more | {"foreign_cores": timing.foreign}]


def _trees(prompts: Sequence[str], seed: int, progress: Say) -> list[Row]:
    """Tokens a verified draft gives; temperature and rows are such that a chain's end is rarely reached."""
    found = dict[str, float]()
    for name, (verifier, shape) in SHAPES.items():
        progress(f"{TREE_ROWS} drafted rows as {shape}, rule {verifier}")
        wish = Speculate(draft=DRAFT, verifier=verifier, shape=shape)
        with load("builtin", speculate=wish, row_budget=4096) as lm:
            results = lm.search_many(
                prompts, "sample", temperature=TREE_TEMPERATURE, max_tokens=MAX_TOKENS, seed=seed, n=1
            )
        drafts = _account(results).drafts
        found[name] = 1 + drafts.accepted / drafts.rounds
    unit = "times the tokens a pass"
    tree, apart = found["RSD-S"] / found["chain"], found["without replacement"] / found["with replacement"]
    measured = {"drafted_rows": TREE_ROWS, "temperature": TREE_TEMPERATURE, "tokens_a_pass": found}
    return [
        row("tree_vs_chain", tree, unit, 1.0) | {"ratio": tree, "baseline": "a chain of as many rows"} | measured,
        row("without_vs_with_replacement", apart, unit, 1.0)
        | {"ratio": apart, "baseline": "independent siblings, the same shape and rule"}
        | measured,
    ]


def _way(lm: LM, prompts: Sequence[str], batch: int, temperature: float, seed: int) -> Callable[[], list[Result]]:
    def answer() -> list[Result]:
        wishes: dict[str, Any] = {"temperature": temperature, "max_tokens": MAX_TOKENS, "n": 1}
        starts = range(0, len(prompts), batch)
        batches = (lm.search_many(prompts[i : i + batch], "sample", seed=seed + i, **wishes) for i in starts)
        return [result for results in batches for result in results]

    return answer


def _account(results: Sequence[Result]) -> Ledger:
    whole = Ledger()
    for result in results:
        whole.add(result.ledger)
    return whole


def _drafted(account: Ledger) -> dict[str, Any]:
    drafts = account.drafts
    share = drafts.accepted / drafts.drafted if drafts.drafted else None
    return {"drafted": drafts.drafted, "accepted_share": share, "tokens_a_pass": account.block_efficiency}
