"""`ramify train draft`: a draft model, or Medusa heads, for a target, from nothing but prompts and the target itself.

The target writes texts as training goes (`written`), the learner is fitted to its law there (`distil`, `heads`), and
block efficiency on held-out prompts (`held_out`, `efficiency`) is logged beside the loss.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ramify.core.errors import BadInput, UnknownName
from ramify.core.strict import finite, whole
from ramify.model.checkpoint import Checkpoint, load
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.model.medusa import MedusaHeads, load_heads
from ramify.model.tokenizer import Tokenizer
from ramify.train.distil import DistilLearner
from ramify.train.divergence import DIVERGENCES
from ramify.train.heads import TRUNK, HeadsLearner, JointLearner
from ramify.train.held_out import HeldOut, Measured
from ramify.train.initial import copy_decoder, new_decoder
from ramify.train.learner import Learner
from ramify.train.loop import train
from ramify.train.prompts import Problems, Prompts, read_prompts
from ramify.train.sample import Sampling
from ramify.train.shapes import Budget, DraftScale, llama_config
from ramify.train.workplace import check_out, copy_tokenizer, workplace
from ramify.train.written import Pool

OBJECTIVES = (*DIVERGENCES, "medusa", "medusa-joint")
SCRATCH_RATE, ALIGN_RATE, HEADS_RATE = 6e-3, 5e-4, 2e-3
DECAY_SHARE = 0.7  # of the steps, at their end
WARMUP_SHARE = 0.25  # of the steps of a joint run: the heads alone
HEADS = 3

Watch = Callable[[int, Measured], None]  # (steps done, what was measured)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRun:
    """One run; resuming is for the same run only.

    target       folder of the model that is drafted for
    base         what the heads' config.json calls it; its folder when not given
    objective    one of `OBJECTIVES`
    start        a draft's folder (or heads') to go on from; fresh weights when not given
    rate         peak learning rate; by default the recipe's own for the objective and the start
    num_heads    fresh Medusa heads; 3 when not given
    data         a file of prompts; generated problems when not given
    """

    target: Path
    objective: str
    steps: int
    scale: DraftScale
    base: str | None = None
    start: Path | None = None
    seed: int = 0
    rate: float | None = None
    num_heads: int | None = None
    data: Path | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise UnknownName("objective", self.objective, OBJECTIVES)
        whole("steps", self.steps, 1, 10_000_000)
        whole("seed", self.seed, 0, 2**31)
        whole("batch", self.scale.batch, 1, 4096)
        whole("max_tokens", self.scale.limit, 1, 1_000_000)
        if self.num_heads is not None:
            if self.objective in DIVERGENCES or self.start is not None:
                raise BadInput("heads", "how many is asked of fresh Medusa heads only: --objective medusa, no --from")
            whole("heads", self.num_heads, 1, 16)
        if self.rate is not None:
            finite("rate", self.rate, 1e-7, 1.0)

    @property
    def peak_rate(self) -> float:
        """The learning rate that is used."""
        if self.rate is not None:
            return self.rate
        if self.objective not in DIVERGENCES:
            return HEADS_RATE
        return SCRATCH_RATE if self.start is None else ALIGN_RATE

    @property
    def budget(self) -> Budget:
        """The schedule of the loop."""
        warmup, decay = max(1, min(100, self.steps // 10)), max(1, int(self.steps * DECAY_SHARE))
        return Budget(steps=self.steps, batch=self.scale.batch, rate=self.peak_rate, warmup=warmup, decay=decay)

    def described(self) -> dict[str, Any]:
        """What must be equal for a run to be resumed, as JSON has it."""
        data = None if self.data is None else sha256(self.data.read_bytes()).hexdigest()
        described: dict[str, Any] = json.loads(json.dumps(asdict(self) | {"data": data}, default=str))
        return described


def train_draft(
    out: Path, run: DraftRun, *, work: Path | None = None, resume: bool = True, watch: Watch = lambda step, seen: None
) -> tuple[Measured, Measured]:
    """Train, and write the folder `out`; what was measured before the first step and after the last.

    Measured are the weights in fp32, as they are trained; written they are in bfloat16.

    work      holds log.jsonl, the checkpoint and run.json; `<out>-work` beside `out` when not given
    resume    go on from the checkpoint in `work`, if there is one
    watch     is told of every measurement

    BadInput names an option that is wrong, a draft whose tokenizer is not the target's, prompts that cannot be read,
    or a `work` that holds another run. CheckpointError names a folder that cannot be loaded.
    """
    check_out(out, run.target)
    target, tokenizer = _target(run.target), Tokenizer.load(run.target)
    prompts = _prompts(run, tokenizer, target.decoder.config.max_positions)
    how = Sampling(temperature=1.0, limit=run.scale.limit, seed=run.seed, ends=tokenizer.end_ids)
    learner = _learner(run, target, tokenizer, Pool(target.decoder, prompts, run.scale.batch, how))
    where = workplace(work or out.with_name(out.name + "-work"), run.described(), resume)
    meter = _Meter(learner, prompts.held_out(run.scale.held_out), how, watch)
    before = meter.measure(0)
    if not (where.folder / "log.jsonl").exists():
        (where.folder / "log.jsonl").write_text(json.dumps({"step": 0, **before.numbers()}) + "\n")
    train(learner, learner.optimiser, run.budget, where, meter.numbers)
    learner.write(out)
    for folder in (out, out / TRUNK):
        if folder.is_dir():
            copy_tokenizer(run.target, folder)
    return before, meter.measure(run.steps)


class _Meter:
    """Measures a learner, on texts that its judge writes: drawn once for a target, each time for a moving trunk."""

    def __init__(self, learner: Learner, prompts: list[list[int]], how: Sampling, watch: Watch) -> None:
        self.learner, self.prompts, self.how, self.watch = learner, prompts, how, watch
        self._fixed = self._texts() if learner.judge is learner.pool.target else None
        self._seen: tuple[int, Measured] | None = None

    def measure(self, step: int) -> Measured:
        if self._seen is None or self._seen[0] != step:
            held_out = self._fixed or self._texts()
            self._seen = (step, held_out.measure(self.learner.guesses))
            self.watch(*self._seen)
        return self._seen[1]

    def numbers(self) -> dict[str, float]:
        return self.measure(self.learner.pool.steps_read).numbers()

    def _texts(self) -> HeldOut:
        return HeldOut(self.learner.judge, self.prompts, self.how, self.learner.pool.batch)


def _prompts(run: DraftRun, tokenizer: Tokenizer, positions: int) -> Prompts:
    longest = positions - run.scale.limit
    if longest < 1:
        raise BadInput("max_tokens", f"{run.scale.limit} tokens and a prompt do not fit in {positions} positions")
    if run.data is not None:
        return read_prompts(run.data, tokenizer, longest)
    problems = Problems(tokenizer, run.seed)
    if (found := max(map(len, problems.held_out(run.scale.held_out)))) > longest:
        raise BadInput("max_tokens", f"problems of {found} tokens do not fit beside it in {positions} positions")
    return problems


def _target(folder: Path) -> Checkpoint:
    target = load(folder)
    if target.head is not None:
        raise BadInput("target", f"{folder} is a reward model; a model that writes text is needed")
    _check_attention("target", folder, target)
    return target


def _check_attention(field: str, folder: Path, model: Checkpoint) -> None:
    specs = model.decoder.config.attention
    if any(spec.window is not None or spec.softcap is not None for spec in specs):
        raise BadInput(field, f"{folder}: training covers plain causal attention, no windows and no capped scores")


def _learner(run: DraftRun, target: Checkpoint, tokenizer: Tokenizer, pool: Pool) -> Learner:
    if run.objective in DIVERGENCES:
        draft, config = _fresh_draft(run, target) if run.start is None else _known_draft(run.start, tokenizer)
        return DistilLearner(draft, config, pool, DIVERGENCES[run.objective], run.peak_rate, run.seed)
    if run.start is None:
        heads = MedusaHeads.start(run.num_heads or HEADS, target.decoder.head.weight)
    else:
        heads = load_heads(run.start, target.decoder.config).train().requires_grad_(True)
    if run.objective == "medusa":
        return HeadsLearner(heads, pool, run.base or str(run.target), run.peak_rate)
    return JointLearner(heads, pool, target.config, run.peak_rate, int(run.steps * WARMUP_SHARE))


def _fresh_draft(run: DraftRun, target: Checkpoint) -> tuple[Decoder, Mapping[str, Any]]:
    own = {name: value for name, value in target.config.items() if name.endswith("_token_id")}
    size = {"max_position_embeddings": target.decoder.config.max_positions}
    config = {**llama_config(run.scale.shape, target.decoder.config.vocab_size), **own, **size}
    return new_decoder(DecoderConfig.from_hf(config), run.seed), config


def _known_draft(folder: Path, tokenizer: Tokenizer) -> tuple[Decoder, Mapping[str, Any]]:
    own = Tokenizer.load(folder)
    if reason := tokenizer.disagreement(own) or own.disagreement(tokenizer):
        raise BadInput("from", f"{folder}: its tokenizer is not the target's ({reason}); a draft must share it")
    draft = load(folder)
    if draft.head is not None:
        raise BadInput("from", f"{folder} is a reward model; a draft writes text")
    _check_attention("from", folder, draft)
    return copy_decoder(draft.decoder), draft.config
