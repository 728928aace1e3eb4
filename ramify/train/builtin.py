"""The built-in models from nothing: tokenizer, target, draft, then the reward models.

Every stage leaves its result behind and is skipped when it is there already, so a run that was cut
off goes on where it stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from ramify.model.checkpoint import ValueHead, load
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.tasks import STUDY, TRAINING, generate
from ramify.train.evaluate import evaluation_problems, greedy_right
from ramify.train.export import export
from ramify.train.extend import extend_decoder
from ramify.train.initial import copy_decoder, new_decoder, soften
from ramify.train.language import LanguageObjective
from ramify.train.loop import Work, train
from ramify.train.optimiser import Optimiser
from ramify.train.report import write_report
from ramify.train.reward import RewardObjective
from ramify.train.samples import Drawn, draw_samples, read_samples
from ramify.train.shapes import FULL, Budget, Scale, Shape, llama_config, reward_config
from ramify.train.slips import Slips
from ramify.train.surprise import SurpriseObjective
from ramify.train.vocabulary import train_tokenizer

STAGES = ("target", "draft", "samples", "study", "rewards", "report")
MEASURED_PROBLEMS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What every stage of one run shares."""

    out: Path
    work: Path
    seed: int
    scale: Scale
    resume: bool

    @property
    def drawn(self) -> Drawn:
        """The problems of the reward models: training ones, from a seed of their own."""
        return Drawn(seed=self.seed + 1, problems=self.scale.reward_problems, each=self.scale.reward_samples)


def train_builtin(
    out: Path,
    *,
    seed: int = 0,
    scale: Scale = FULL,
    resume: bool = True,
    work: Path | None = None,
    stages: Sequence[str] = STAGES,
) -> None:
    """Make the folder of built-in models: target, draft, orm, prm, REPORT.json, MODEL_CARD.md.

    out     the folder to make
    work    checkpoints, logs and samples; `<out>-work` beside `out` when not given
    stages  which of `STAGES` to run, in that order; each needs what those before it left behind

    ValueError names a stage that does not exist.
    """
    if unknown := set(stages) - set(STAGES):
        raise ValueError(f"stages: {sorted(unknown)} unknown; the stages are {', '.join(STAGES)}")
    work = work or out.with_name(out.name + "-work")
    run = Run(out=out, work=work, seed=seed, scale=scale, resume=resume)
    torch.manual_seed(seed)
    tokenizer = make_tokenizer(run)
    if "target" in stages:
        make_language_model(run, "target", tokenizer, scale.target, scale.target_budget, scale.softness)
    if "draft" in stages:
        make_language_model(run, "draft", tokenizer, scale.draft, scale.draft_budget)
    if "samples" in stages:
        make_samples(run, tokenizer)
    if "study" in stages:
        make_judge(run, tokenizer)
    if "rewards" in stages:
        make_rewards(run, tokenizer)
    if "report" in stages:
        write_report(out, work, seed=seed, scale=scale)


def make_tokenizer(run: Run) -> Tokenizer:
    """The tokenizer, learnt from training problems, or the one this run has learnt before."""
    path = run.work / "tokenizer.json"
    if run.resume and path.exists():
        return Tokenizer.from_file(str(path))
    problems = (generate(run.seed, i, "train", TRAINING) for i in range(run.scale.tokenizer_texts))
    tokenizer = train_tokenizer((p.prompt + p.solution for p in problems), run.scale.vocab_size)
    run.work.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return tokenizer


def make_language_model(
    run: Run,
    name: str,
    tokenizer: Tokenizer,
    shape: Shape,
    budget: Budget,
    softness: float = 1.0,
) -> None:
    """Train the target or the draft, soften it, and write its folder."""
    config = llama_config(shape, tokenizer.get_vocab_size())
    decoder = new_decoder(DecoderConfig.from_hf(config), run.seed)
    objective = LanguageObjective(decoder, tokenizer, budget.batch, run.seed)
    work = Work(folder=run.work / name, resume=run.resume)
    train(objective, Optimiser(decoder, [], budget.rate), budget, work, _greedy(decoder, tokenizer))
    soften(decoder, softness)
    export(decoder, config, tokenizer, run.out / name)


def _greedy(decoder: Decoder, tokenizer: Tokenizer) -> Callable[[], dict[str, float]]:
    problems = evaluation_problems(MEASURED_PROBLEMS)

    def measure() -> dict[str, float]:
        right = greedy_right(decoder, tokenizer, problems)
        return {"held_out_greedy": sum(right) / len(right)}

    return measure


def make_samples(run: Run, tokenizer: Tokenizer) -> None:
    """Let the finished target solve training problems at temperature 1."""
    path = run.work / "samples.jsonl"
    if not run.resume:
        path.unlink(missing_ok=True)
    draw_samples(load(run.out / "target").decoder, tokenizer, run.drawn, path)


def make_judge(run: Run, tokenizer: Tokenizer) -> None:
    """Train the target further, on problems of its hard end; it becomes the trunk of the rewards."""
    target, budget = load(run.out / "target"), run.scale.study_budget
    decoder = copy_decoder(target.decoder)
    soften(decoder, 1 / run.scale.softness)  # as it was trained
    objective = LanguageObjective(decoder, tokenizer, budget.batch, run.seed + 3, STUDY)
    work = Work(folder=run.work / "study", resume=run.resume)
    train(objective, Optimiser(decoder, [], budget.rate), budget, work, _greedy(decoder, tokenizer))
    export(decoder, dict(target.config), tokenizer, run.work / "judge")


def make_rewards(run: Run, tokenizer: Tokenizer) -> None:
    """Train the shared trunk, to see slips and then with both heads; write it with each of them."""
    target, scale = load(run.work / "judge"), run.scale
    decoder = extend_decoder(target.decoder, scale.reward_layers, scale.reward_lane)
    seeing = SurpriseObjective(decoder, target.decoder, tokenizer, scale.surprise_budget.batch, run.seed + 2)
    optimiser = Optimiser(decoder, [seeing.guide_1D], scale.surprise_budget.rate)
    work = Work(folder=run.work / "surprise", resume=run.resume)
    train(seeing, optimiser, scale.surprise_budget, work)
    samples = read_samples(tokenizer, run.drawn, run.work / "samples.jsonl")
    slips = Slips(tokenizer, run.seed + 4)
    objective = RewardObjective(decoder, samples, slips, scale.reward_budget.batch, run.seed)
    optimiser = Optimiser(decoder, [*objective.heads.values()], scale.reward_budget.rate)
    work = Work(folder=run.work / "rewards", resume=run.resume)
    train(objective, optimiser, scale.reward_budget, work)
    kinds: dict[str, tuple[str, torch.nn.Parameter]] = {
        "orm": ("LlamaForSequenceClassification", objective.outcome_1D),
        "prm": ("LlamaForTokenClassification", objective.process_1D),
    }
    for name, (architecture, head_1D) in kinds.items():
        config = reward_config(dict(target.config), decoder.config, architecture)
        head = ValueHead(head_1D.detach())
        export(decoder, config, tokenizer, run.out / name, head)
