"""Speculation on a model of the user's own, with a draft of the user's own: sampled, where enumeration cannot go.

the same tokens     greedily, for every prompt, one by one and together; and by chance where the target's own draws
                    decide (`coupled`) and arithmetic does not depend on who shares a step (`exact` mode)
the same law        of the first tokens of many samples, for every rule that reads the draft: a G-test against the
                    chain rule over the target's own laws, at a level that allows for all tests together
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch

from ramify.core.errors import Incompatible
from ramify.core.ledger import Ledger
from ramify.core.results import Result
from ramify.core.sampling import Sampling
from ramify.core.types import Prompt
from ramify.engine.engine import Engine
from ramify.maths.law import final_law
from ramify.speculate.shapes import Path
from ramify.speculate.tree import Masses
from ramify.verify.statistics import Cells, GTest, LawsAfter, cells, g_test

TRIED = (
    ("standard", "chain:4"),
    ("block", "chain:4"),
    ("recursive", "distinct:2,2"),
    ("k-sequential", "independent:2,1"),
    ("coupled", "chain:4"),
)
SAMPLED: tuple[dict[str, Any], ...] = ({"temperature": 1.0}, {"temperature": 0.7, "top_p": 0.9})
ALPHA, POWER = 0.01, 0.9  # of all G-tests together; of each
LENGTH = 3  # tokens whose law is tested: the first is drawn plainly, the others are drafted
TEXTS = 4  # among which the place of these tokens is sought
AT_ONCE = 64  # samples that are drawn together: all their drafts fit into a step
LONGEST = 64  # tokens of the texts that are compared
TIES = {torch.float32: 1e-3, torch.bfloat16: 0.1}  # log-probabilities that rounding may put in either order


class Writer(Protocol):
    """What is wanted of a loaded model."""

    engine: Engine
    dtype: torch.dtype

    def encode(self, prompt: Any) -> list[int]: ...

    def search_many(self, prompts: Sequence[Any], method: str, **options: Any) -> list[Result]: ...


Open = Callable[..., Writer]  # (mode=..., verifier=..., shape=...) -> the target with the draft


@dataclass(frozen=True)
class Finding:
    """One row. With a `reason` the rule does not read the draft, and nothing was tested."""

    law: str
    distance: float = 0.0
    seconds: float = 0.0
    test: GTest | None = None
    level: float = 0.0
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """Nothing differs, or nothing that chance does not explain."""
        return self.distance == 0.0 if self.test is None else self.test.tested > 0 and self.test.p > self.level


def drafting_changes_nothing(
    open_: Open,
    prompts: Sequence[Any],
    samples: int,
    seed: int = 0,
    progress: Callable[[str], None] = lambda name: None,
) -> Iterator[Finding]:
    """Every comparison, for the target and the draft that `open_` opens."""
    progress("greedy texts")
    writer = open_(mode="fast", verifier="coupled", shape="auto")
    for batch in (1, 8):
        yield _compared(f"greedy, batches of {batch}", writer, prompts, batch, temperature=0.0)
    progress("texts by chance, exact mode")
    writer = open_(mode="exact", verifier="coupled", shape="auto")
    yield _compared("coupled, exact mode, temperature 1", writer, prompts, 8, temperature=1.0, seed=seed)
    level, place = ALPHA / (len(TRIED) * len(SAMPLED)), uncertain_place(writer, prompts, seed)
    for verifier, shape in TRIED:
        name = f"{verifier} over {shape}"
        progress(name)
        try:
            writer = open_(mode="fast", verifier=verifier, shape=shape)
        except Incompatible as error:
            yield Finding(name, reason=str(error))
            continue
        for sampling in SAMPLED:
            began = perf_counter()
            test = sampled_law(writer, place, samples, seed=seed, **sampling)
            said = ", ".join(f"{key.replace('_', '-')} {value:g}" for key, value in sampling.items())
            yield Finding(f"{name}: {said}", test.distance, perf_counter() - began, test, level)


def _compared(name: str, writer: Writer, prompts: Sequence[Any], batch: int, **sampling: Any) -> Finding:
    """The share of prompts whose text is another with drafts than without."""
    began, off = perf_counter(), 0
    for first in range(0, len(prompts), batch):
        some, options = prompts[first : first + batch], {"n": 1, "seed": first, "max_tokens": LONGEST} | sampling
        drafted = writer.search_many(some, "sample", **options)
        plain = writer.search_many(some, "sample", speculate=False, **options)
        pairs = zip(some, drafted, plain, strict=True)
        off += sum(_differ(writer, *pair, greedy=sampling["temperature"] == 0.0) for pair in pairs)
    return Finding(f"{name}: {len(prompts)} texts token for token", off / len(prompts), perf_counter() - began)


def _differ(writer: Writer, prompt: Any, drafted: Result, plain: Result, *, greedy: bool) -> bool:
    """Whether two texts differ by more than which of two equally likely tokens came out on top."""
    a, b = drafted.best.token_ids, plain.best.token_ids
    if list(a) == list(b):
        return False
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if same is None or not greedy:
        return True
    (law_V,) = laws_of(writer.engine, writer.encode(prompt), Sampling())([tuple(a[:same])])
    return abs(log(law_V[a[same]]) - log(law_V[b[same]])) > TIES.get(writer.dtype, 0.0)


def uncertain_place(writer: Writer, prompts: Sequence[Any], seed: int = 0) -> list[int]:
    """Token ids of a text cut one token before the model is least certain: where a wrong rule shows."""
    texts = writer.search_many(prompts[:TEXTS], "sample", n=1, seed=seed, temperature=1.0, max_tokens=LONGEST)
    places = list[tuple[float, list[int]]]()
    for prompt, text in zip(prompts, texts, strict=False):
        tokens, generated = writer.encode(prompt), text.best.token_ids
        paths = [tuple(generated[:end]) for end in range(1, len(generated))]
        for path, law_V in zip(paths, laws_of(writer.engine, tokens, Sampling())(paths), strict=True):
            entropy = -float((law_V * np.log(np.maximum(law_V, 1e-300))).sum())
            places.append((entropy, [*tokens, *path[:-1]]))
    return max(places, default=(0.0, writer.encode(prompts[0])))[1]


def sampled_law(
    writer: Writer, prompt: Any, samples: int, length: int = LENGTH, seed: int = 0, **sampling: Any
) -> GTest:
    """A G-test of the first tokens that are sampled with drafts. The text goes on behind them, so that drafts do."""
    law = exact_law(writer, prompt, samples, length, **sampling)
    wish = Sampling(max_tokens=2 * length, ignore_eos=True, **sampling)
    tokens, ledger = tuple(writer.encode(prompt)), Ledger()
    texts = [tuple(text) for text in drawn(writer.engine, tokens, wish, range(seed, seed + samples), ledger)]
    return replace(g_test(texts, law), tested=sum(ledger.drafts.tried))


def drawn(
    engine: Engine, tokens: tuple[int, ...], sampling: Sampling, seeds: Sequence[int], ledger: Ledger
) -> Iterator[list[int]]:
    """Texts of separate requests: forks that still agree would be read as one, and not drafted for by every rule."""
    for first in range(0, len(seeds), AT_ONCE):
        some = seeds[first : first + AT_ONCE]
        branches = [engine.prefill(Prompt(tokens, sampling, seed=seed), ledger) for seed in some]
        try:
            engine.advance(branches, sampling.max_tokens or 1)
            yield from [branch.generated for branch in branches]
        finally:
            engine.drop(branches)


def exact_law(writer: Writer, prompt: Any, samples: int, length: int = LENGTH, **sampling: Any) -> Cells:
    """The law of a text's first tokens, in cells that expect enough of so many samples."""
    return cells(laws_of(writer.engine, writer.encode(prompt), Sampling(**sampling)), length, samples)


def laws_of(engine: Engine, prompt: Sequence[int], sampling: Sampling) -> LawsAfter:
    """Plain decoding's laws behind a prompt and paths."""

    def after(paths: Sequence[Path]) -> list[Masses]:
        found = list[Masses]()
        for first in range(0, len(paths), 64):
            found += _read(engine, prompt, paths[first : first + 64], sampling)
        return found

    return after


def _read(engine: Engine, prompt: Sequence[int], paths: Sequence[Path], sampling: Sampling) -> list[Masses]:
    branches = [engine.open(Prompt((*prompt, *path), sampling, seed=0)) for path in paths]
    try:
        engine.read(branches)
        rows = [engine.target.frontier(branch) for branch in branches]
        logits_RV = engine.target.runner.logits(torch.stack([row for row in rows if row is not None]))
        law = final_law(logits_RV, branches[0].rule, [prompt] * len(paths), paths)
        return list(law.dense(engine.target.runner.vocab_size).double().cpu().numpy())
    finally:
        engine.drop(branches)
