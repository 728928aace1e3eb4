"""`ramify train tuned`: the target, tuned to prefer right solutions (DPO) and to judge solutions in words.

It starts as the target, which is also the reference of DPO's reward, log p_tuned(y | x) - log p_target(y | x): with the
target beside it, the folder is a reward model. The judgements (`judge_texts`) are those that a self-evaluator, a judge
of drafted steps, or a judge of pairs asks for.

Departure from DPO: beside its loss stands the cross entropy of the right solutions (`anchor`). Learning to judge moves
the same weights, and differences of log-probabilities alone do not hold the policy in place meanwhile. Before all else
the words of the questions, which the target has never read, get their embeddings while everything else is frozen: as
long as they are tens of nats unlikely, learning them would tear down what the target can do.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole
from ramify.model.checkpoint import Checkpoint, load
from ramify.model.decoder import Decoder
from ramify.tasks import EVALUATION
from ramify.train.evaluate import EVALUATION_SEED, evaluation_problems, greedy_right
from ramify.train.export import export
from ramify.train.initial import copy_decoder
from ramify.train.judge_texts import Judging
from ramify.train.labels import Labelled
from ramify.train.loop import Work, train
from ramify.train.optimiser import Optimiser
from ramify.train.pairs import pairs_of
from ramify.train.preference import PreferenceObjective, Skill, solution_chances
from ramify.train.preferred import best_by, judged_numbers, pair_accuracy
from ramify.train.samples import Drawn, draw_samples, read_samples
from ramify.train.shapes import Budget, PreferenceScale
from ramify.train.slips import Slips
from ramify.train.vocabulary import BEGIN_ID, END_ID
from ramify.train.workplace import check_out, workplace

WARMUP = 50
WORDS_RATE = 0.1
MEASURE_EVERY = 250
DECAY_SHARE = 0.8  # of the steps, at their end

Numbers = dict[str, float]
Watch = Callable[[Numbers], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedRun:
    """One run; resuming is for the same run only.

    target     folder of the model that is tuned; it must be of the built-in family (its tokenizer, its task)
    words      steps of the embeddings of words that the target has never read, before `steps`
    beta       scale of DPO's reward: the greater, the closer the policy stays to the target
    judging    weight of the questions' cross entropy; 0: no judging
    anchor     weight of the right solutions' cross entropy; 0 and no judging: DPO as published
    rate       peak learning rate
    """

    target: Path
    steps: int
    scale: PreferenceScale
    words: int = 60
    beta: float = 0.2
    judging: float = 1.0
    anchor: float = 4.0
    rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        whole("steps", self.steps, 1, 10_000_000)
        whole("words", self.words, 1, 10_000_000)
        whole("seed", self.seed, 0, 2**31)
        finite("beta", self.beta, 1e-6, 1e3)
        finite("judging", self.judging, 0.0, 1e3)
        finite("anchor", self.anchor, 0.0, 1e3)
        finite("rate", self.rate, 1e-7, 1.0)

    @property
    def budget(self) -> Budget:
        """The schedule of the loop."""
        return schedule(self.steps, self.scale.batch, self.rate)


@dataclass(slots=True)
class Material:
    """What both recipes of preferences read.

    samples     of training problems, labelled; those of one problem side by side
    held_out    the same, of held-out problems
    """

    target: Checkpoint
    tokenizer: Tokenizer
    samples: list[Labelled]
    held_out: list[Labelled]

    @property
    def few(self) -> list[Labelled]:
        """A sixteenth of the held-out samples, for the log; those of 16 problems at least."""
        prompts = list(dict.fromkeys(tuple(sample.prompt) for sample in self.held_out))
        kept = set(prompts[: max(16, len(prompts) // 16)])
        return [sample for sample in self.held_out if tuple(sample.prompt) in kept]


def schedule(steps: int, batch: int, rate: float) -> Budget:
    """Warm up, stay, decay for most of the run."""
    warmup, decay = max(1, min(WARMUP, steps // 10)), max(1, int(steps * DECAY_SHARE))
    return Budget(steps=steps, batch=batch, rate=rate, warmup=warmup, decay=decay)


def described(run: Any) -> dict[str, Any]:
    """What must be equal for a run to be resumed, as JSON has it: its fields, and the target's weights."""
    weights = sha256((run.target / "model.safetensors").read_bytes()).hexdigest()
    as_json: dict[str, Any] = json.loads(json.dumps(asdict(run) | {"target": weights}))
    return as_json


def read_material(target: Path, work: Path, scale: PreferenceScale, seed: int) -> Material:
    """The target with its samples in `work`: samples.jsonl and held_out.jsonl, drawn as far as they are missing.

    `work` may be what `ramify train builtin` left behind: its samples are those of the same seed.

    BadInput: the target is not of the built-in family. CheckpointError: it cannot be loaded.
    """
    loaded = load(target)
    tokenizer = Tokenizer.from_file(str(target / "tokenizer.json"))
    if loaded.head is not None or tokenizer.encode("1\n").ids[0] != BEGIN_ID or tokenizer.decode([END_ID]):
        raise BadInput("target", f"{target} does not write solutions as the built-in target does")
    drawn = Drawn(seed=seed + 1, problems=scale.problems, each=scale.each)
    held_out = Drawn(
        seed=EVALUATION_SEED, problems=scale.held_out, each=scale.held_out_each, split="held_out", mixture=EVALUATION
    )
    work.mkdir(parents=True, exist_ok=True)
    read = []
    for which, name in ((drawn, "samples.jsonl"), (held_out, "held_out.jsonl")):
        draw_samples(loaded.decoder, tokenizer, which, work / name)
        read.append(read_samples(tokenizer, which, work / name)[: which.problems * which.each])
    if not pairs_of(read[0]) or not pairs_of(read[1]):
        raise BadInput("target", f"{target} solved no problem at one time and failed at another: there are no pairs")
    return Material(loaded, tokenizer, *read)


def train_tuned(
    out: Path, run: TunedRun, *, work: Path | None = None, resume: bool = True, watch: Watch = lambda numbers: None
) -> Numbers:
    """Train, and write the folder `out`; the numbers of the weights as they are written, on held-out problems.

    work      holds the target's samples, and in `tuned-words` and `tuned` the stages' log.jsonl, checkpoint and
              run.json; `<out>-work` beside `out` when not given
    resume    go on from the checkpoint in `work`, if there is one
    watch     is told the numbers of a part of the held-out samples as training goes

    BadInput names an option that is wrong, or a `work` that holds another run.
    """
    check_out(out, run.target)
    work = work or out.with_name(out.name + "-work")
    words, where = (workplace(work / name, described(run), resume) for name in ("tuned-words", "tuned"))
    material = read_material(run.target, work, run.scale, run.seed)
    decoder = copy_decoder(material.target.decoder)
    objective = _objective(decoder, material, run)
    if run.judging:
        _learn_words(decoder, objective, material, run, words)
    few, problems = material.few, evaluation_problems(run.scale.held_out // 4)
    before = solution_chances(material.target.decoder, few)

    def measure() -> Numbers:
        now = solution_chances(decoder, few)
        numbers = {"pair_accuracy": pair_accuracy(few, [a - b for a, b in zip(now, before, strict=True)])}
        numbers |= judged_numbers(decoder, material.tokenizer, few)
        numbers["greedy"] = sum(right := greedy_right(decoder, material.tokenizer, problems)) / len(right)
        numbers = {name: round(value, 4) for name, value in numbers.items()}
        watch(numbers)
        return numbers

    where = replace(where, measure_every=MEASURE_EVERY)
    heads = [objective.sense_1D] if run.judging else []
    train(objective, Optimiser(decoder, heads, run.rate), run.budget, where, measure)
    export(decoder, dict(material.target.config), material.tokenizer, out)
    return tuned_numbers(load(out).decoder, material)


def _objective(decoder: Decoder, material: Material, run: TunedRun) -> PreferenceObjective:
    fitting = Judging(material.tokenizer).fitting(pairs_of(material.samples), decoder.config.max_positions)
    return PreferenceObjective(
        decoder,
        fitting,
        batch=run.scale.batch,
        beta=run.beta,
        seed=run.seed,
        reference=material.target.decoder,
        anchor=run.anchor,
        skill=_skill(run, material.tokenizer) if run.judging else None,
    )


def _learn_words(
    decoder: Decoder, objective: PreferenceObjective, material: Material, run: TunedRun, work: Work
) -> None:
    """Train the embeddings of tokens that no problem and no sample has, all else frozen."""
    known = {token for sample in material.samples for token in (*sample.prompt, *sample.solution)}
    is_new_V1 = torch.tensor([[token not in known] for token in range(decoder.config.vocab_size)])
    for weight in objective.modules.parameters():
        weight.requires_grad_(weight is decoder.embedding)
    hook = decoder.embedding.register_hook(lambda gradient: gradient * is_new_V1)  # type: ignore[no-untyped-call]
    budget = schedule(run.words, run.scale.batch, WORDS_RATE)
    train(objective, Optimiser(decoder, [], WORDS_RATE), budget, work)
    hook.remove()
    for weight in objective.modules.parameters():
        weight.requires_grad_(True)


def _skill(run: TunedRun, tokenizer: Tokenizer) -> Skill:
    scale = run.scale
    return Skill(
        judging=Judging(tokenizer),
        slips=Slips(tokenizer, run.seed + 5),
        weight=run.judging,
        num_slips=scale.slips,
        num_compared=scale.compared,
    )


@torch.no_grad()
def tuned_numbers(tuned: Decoder, material: Material) -> Numbers:
    """DPO's reward, the judgements and the greedy accuracy on held-out problems, beside the target's own."""
    samples = material.held_out
    before, after = (solution_chances(decoder, samples) for decoder in (material.target.decoder, tuned))
    rewards = [a - b for a, b in zip(after, before, strict=True)]
    problems = evaluation_problems(len({tuple(sample.prompt) for sample in samples}))
    both = {"target": material.target.decoder, "tuned": tuned}
    right = {name: greedy_right(decoder, material.tokenizer, problems) for name, decoder in both.items()}
    return {
        "dpo_pair_accuracy": pair_accuracy(samples, rewards),
        "target_pair_accuracy": pair_accuracy(samples, before),
        "one_sample": sum(sample.outcome for sample in samples) / len(samples),
        "best_by_dpo": best_by(samples, rewards),
        **judged_numbers(tuned, material.tokenizer, samples),
        **{f"{name}_greedy": sum(marks) / len(marks) for name, marks in right.items()},
    }
