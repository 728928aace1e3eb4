"""REPORT.json and MODEL_CARD.md: measured on the weights as they are shipped."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ramify.model.checkpoint import load
from ramify.model.decoder import Decoder
from ramify.tasks import EVALUATION
from ramify.train.evaluate import (
    EVALUATION_SEED,
    coverage,
    crowd_numbers,
    evaluation_problems,
    greedy_right,
    judge,
    reward_numbers,
)
from ramify.train.samples import Drawn, draw_samples, read_samples
from ramify.train.shapes import FULL, Scale

MODELS = ("target", "draft", "orm", "prm")
COVERAGES = (1, 4, 16, 64)

CARD = """# The built-in models

Four small Llamas that solve generated word problems ("Tom has 12 apples. ...") and bare
expressions, one equation a line, with a last line `#### 42`. Made by `ramify train builtin` from
generated problems alone; no other data, no other weights. Licence: Apache-2.0.

| folder | what | parameters |
|---|---|---|
| `target` | writes solutions | {target_parameters:,} |
| `draft` | the same task, a small model for speculation | {draft_parameters:,} |
| `prm` | at every token: is everything so far right? | {prm_parameters:,} |
| `orm` | at every token: will the final answer be right? | {orm_parameters:,} |

`orm` and `prm` share one trunk: the target's blocks, trained further so that the judge knows more
than the judged, then frozen, and {reward_layers} more on top, trained together; their values are
logits (a sigmoid makes them chances). One tokenizer of
{vocab_size} tokens: byte-level BPE, one token a digit, one a line break. A prompt is the begin
token, the problem and a line break.

## Measured

On {problems} held-out problems (words and expressions mixed, see `mixture` in REPORT.json), weights
as shipped:

| | |
|---|---|
| greedy accuracy, target | {greedy:.1%} |
| greedy accuracy, draft | {draft_greedy:.1%} |
| one sample at temperature 1 | {coverage_1:.1%} |
| coverage, any of 16 / of 64 samples right | {coverage_16:.1%} / {coverage_64:.1%} |
| majority vote of 8 | {majority_vote:.1%} |
| best of 8 by `orm` / by `prm` | {best_by_orm:.1%} / {best_by_prm:.1%} |
| `prm`, AUC over steps / over all tokens | {prm_step_auc:.3f} / {prm_token_auc:.3f} |
| `orm`, AUC at the end / halfway | {orm_final_auc:.3f} / {orm_halfway_auc:.3f} |

Among all {samples} samples of the first {crowds} problems, where one sample is right
{crowd_one_sample:.1%} of the time: majority vote {crowd_majority_vote:.1%}, vote weighted by `orm`
{crowd_weighted_vote:.1%}, the single best by `orm` {crowd_best_by_orm:.1%}, by `prm`
{crowd_best_by_prm:.1%}. The more samples, the likelier one of them fools the rewards: of many,
they weigh votes and drop the worst better than they crown one.

They know this one task and nothing else: text that is not such a problem gets nonsense. The target
is kept small and its training short so that its arithmetic slips, and spending compute at inference
time has something to win.

## Recipe

Seed {seed}. Target: {target_steps:,} steps of {target_batch} problems, each read once; its logits
are then divided by {softness} through the final norm, so that its samples at temperature 1 vary
more. Draft: {draft_steps:,} steps. Rewards: {study_steps:,} more steps of the target's training on
harder problems, {surprise_steps:,} steps that teach the new blocks to see slips, then
{reward_steps:,} of {reward_batch} of the target's own samples ({reward_samples} of each of
{reward_problems:,} training problems) and half as many solutions with one slip put in. Muon
and AdamW, warm-up, constant rate, linear decay; bfloat16 autocast. `REPORT.json` holds every
number; `ramify/train/` is the recipe.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """The numbers of the report, and which problems the target solves greedily."""

    numbers: dict[str, float]
    greedy_right: list[bool]


JUDGED = 8  # samples of each problem that the rewards are measured on; coverage counts them all
CROWDS = 96  # problems on which choosing among all samples is measured


def measure_builtin(out: Path, work: Path, num_problems: int, samples: int) -> Measured:
    """Measure the weights in `out` on the first held-out problems.

    `samples` solutions of each problem are drawn at temperature 1 from a fixed seed; `work` keeps
    them, so that a measurement that was cut off goes on where it stopped. Greedy decoding is fp32,
    drawing and judging are bfloat16.
    """
    tokenizer = Tokenizer.from_file(str(out / "target" / "tokenizer.json"))
    problems = evaluation_problems(num_problems)
    target, draft = load(out / "target").decoder, load(out / "draft").decoder
    drawn = Drawn(
        seed=EVALUATION_SEED,
        problems=num_problems,
        each=samples,
        split="held_out",
        mixture=EVALUATION,
    )
    work.mkdir(parents=True, exist_ok=True)
    draw_samples(target, tokenizer, drawn, work / "evaluation.jsonl")
    drawn_samples = read_samples(tokenizer, drawn, work / "evaluation.jsonl")
    groups = [drawn_samples[i : i + samples] for i in range(0, len(drawn_samples), samples)]
    right = greedy_right(target, tokenizer, problems)
    with torch.autocast("cpu", torch.bfloat16):
        rewards = _reward(out / "orm"), _reward(out / "prm")
        judged = judge(*rewards, [group[:JUDGED] for group in groups])
        crowds = judge(*rewards, groups[:CROWDS])
    numbers = {
        "greedy": sum(right) / len(right),
        "draft_greedy": sum(greedy_right(draft, tokenizer, problems)) / len(problems),
        **{f"coverage_{k}": coverage(groups, k) for k in COVERAGES if k <= samples},
        "solution_tokens": sum(len(s.solution) for s in drawn_samples) / len(drawn_samples),
        **reward_numbers(tokenizer, judged),
        **crowd_numbers(tokenizer, crowds),
    }
    return Measured(numbers, right)


def write_report(
    out: Path,
    work: Path,
    *,
    seed: int,
    scale: Scale = FULL,
    num_problems: int = 256,
    samples: int = 64,
) -> None:
    """Measure and write both files into `out`.

    ValueError when there is nothing to tell apart: every sample right, or every one wrong.
    """
    measured = measure_builtin(out, work, num_problems, samples)
    loaded = {name: load(out / name) for name in MODELS}
    parameters = {f"{n}_parameters": m.decoder.num_parameters for n, m in loaded.items()}
    report: dict[str, Any] = {
        "numbers": {name: round(value, 4) for name, value in measured.numbers.items()},
        "problems": num_problems,
        "samples": samples,
        "evaluation_seed": EVALUATION_SEED,
        "mixture": asdict(EVALUATION),
        "parameters": parameters,
        "seed": seed,
        "scale": asdict(scale),
        "greedy_right": "".join("01"[right] for right in measured.greedy_right),
    }
    (out / "REPORT.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    facts: dict[str, Any] = {
        "problems": num_problems,
        "samples": samples,
        "seed": seed,
        **_budget_facts(scale),
    }
    facts["crowds"] = min(CROWDS, num_problems)
    facts["vocab_size"] = loaded["target"].config["vocab_size"]
    missing = {f"coverage_{k}": float("nan") for k in COVERAGES}
    card = CARD.format_map(missing | measured.numbers | parameters | facts)
    (out / "MODEL_CARD.md").write_text(card, encoding="utf-8")


def _budget_facts(scale: Scale) -> dict[str, float]:
    return {
        "target_steps": scale.target_budget.steps,
        "target_batch": scale.target_budget.batch,
        "draft_steps": scale.draft_budget.steps,
        "study_steps": scale.study_budget.steps,
        "surprise_steps": scale.surprise_budget.steps,
        "reward_steps": scale.reward_budget.steps,
        "reward_batch": scale.reward_budget.batch,
        "reward_samples": scale.reward_samples,
        "reward_layers": scale.reward_layers,
        "softness": scale.softness,
        "reward_problems": scale.reward_problems,
    }


def _reward(folder: Path) -> tuple[Decoder, Tensor]:
    checkpoint = load(folder)
    if checkpoint.head is None:
        raise ValueError(f"{folder}: a reward model has score.weight, this folder has none")
    return checkpoint.decoder, checkpoint.head.weight.detach()
