"""`ramify train arm`: an autoregressive reward model that guides the target token by token, smaller than the target.

Xu et al. 2024, "GenARM", arXiv:2410.08193: a language model whose summed token log-probabilities are the reward,
trained with the preference loss on them. A small one can guide a larger base (the paper's weak-to-strong guidance).

    beta_r    scale of the reward in the preference loss

Two stages: the target's first blocks under its own final norm are trained on problems again until they write
solutions, as a model that was cut short has lost that; then the preference loss over the target's pairs. Departure: an
anchor beside it, the right solutions' cross entropy, so that the reward stays the log-probability of a model that
writes solutions: under the preference loss alone both solutions of a pair may become unlikely together.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ramify.core.errors import BadInput
from ramify.core.strict import finite, whole
from ramify.model.checkpoint import load
from ramify.model.decoder import Decoder
from ramify.tasks import HARD, check
from ramify.train.evaluate import BATCH, evaluation_problems
from ramify.train.export import export
from ramify.train.guided import complete_guided
from ramify.train.initial import new_decoder
from ramify.train.language import LanguageObjective, prompt_ids
from ramify.train.loop import train
from ramify.train.optimiser import Optimiser
from ramify.train.pairs import pairs_of
from ramify.train.preference import PreferenceObjective, solution_chances
from ramify.train.preferred import best_by, pair_accuracy
from ramify.train.sample import Sampling
from ramify.train.shapes import Budget, PreferenceScale
from ramify.train.tuned import Material, Numbers, Watch, described, read_material, schedule
from ramify.train.workplace import check_out, workplace

STRENGTHS = (0.0, 0.5, 1.0, 2.0)  # of the guidance, measured
START_RATE = 3e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRun:
    """One run; resuming is for the same run only.

    target         folder of the model that is guided; it must be of the built-in family
    layers         of the target's blocks that are kept, from below
    start_steps    of the first stage
    beta           scale of the reward in the preference loss
    anchor         weight of the right solutions' cross entropy
    rate           peak learning rate of the second stage
    """

    target: Path
    steps: int
    scale: PreferenceScale
    layers: int = 3
    start_steps: int = 250
    beta: float = 0.3
    anchor: float = 1.0
    rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        whole("steps", self.steps, 1, 10_000_000)
        whole("start_steps", self.start_steps, 1, 10_000_000)
        whole("layers", self.layers, 1, 1000)
        whole("seed", self.seed, 0, 2**31)
        finite("beta", self.beta, 1e-6, 1e3)
        finite("anchor", self.anchor, 0.0, 1e3)
        finite("rate", self.rate, 1e-7, 1.0)

    @property
    def start_budget(self) -> Budget:
        """The schedule of the first stage."""
        return schedule(self.start_steps, 4 * self.scale.batch, START_RATE)

    @property
    def budget(self) -> Budget:
        """The schedule of the second stage."""
        return schedule(self.steps, self.scale.batch, self.rate)


def train_arm(
    out: Path, run: ArmRun, *, work: Path | None = None, resume: bool = True, watch: Watch = lambda numbers: None
) -> Numbers:
    """Train, and write the folder `out`; the numbers of the weights as they are written, on held-out problems.

    work      holds the target's samples, and in `arm-start` and `arm` the stages' log.jsonl, checkpoint and run.json;
              `<out>-work` beside `out` when not given
    resume    go on from the checkpoints in `work`, if there are any
    watch     is told the numbers of a part of the held-out samples as training goes

    BadInput names an option that is wrong, or a `work` that holds another run.
    """
    check_out(out, run.target)
    work = work or out.with_name(out.name + "-work")
    places = [workplace(work / name, described(run), resume) for name in ("arm-start", "arm")]
    material = read_material(run.target, work, run.scale, run.seed)
    decoder = first_layers(material.target.decoder, run.layers)
    started = LanguageObjective(decoder, material.tokenizer, run.start_budget.batch, run.seed + 6, HARD)
    train(started, Optimiser(decoder, [], START_RATE), run.start_budget, places[0])
    objective = PreferenceObjective(
        decoder,
        pairs_of(material.samples),
        batch=run.scale.batch,
        beta=run.beta,
        seed=run.seed,
        anchor=run.anchor,
    )
    few = material.few

    def measure() -> Numbers:
        numbers = {"pair_accuracy": round(pair_accuracy(few, solution_chances(decoder, few)), 4)}
        watch(numbers)
        return numbers

    train(objective, Optimiser(decoder, [], run.rate), run.budget, places[1], measure)
    config = {**material.target.config, "num_hidden_layers": run.layers}
    export(decoder, config, material.tokenizer, out)
    return arm_numbers(load(out).decoder, material)


def first_layers(target: Decoder, layers: int) -> Decoder:
    """The target's embedding, first blocks and final norm, trainable, fp32.

    BadInput: it has fewer blocks than that.
    """
    old = target.config
    if layers > old.num_layers:
        raise BadInput("layers", f"{layers} wanted, the target has {old.num_layers}")
    decoder = new_decoder(replace(old, num_layers=layers, attention=old.attention[:layers]), 0)
    kept = set(decoder.state_dict())
    decoder.load_state_dict({name: weight.float() for name, weight in target.state_dict().items() if name in kept})
    return decoder


@torch.no_grad()
def arm_numbers(arm: Decoder, material: Material) -> Numbers:
    """The reward's pair accuracy, and the accuracy of guided decoding, greedy and sampled, for several strengths."""
    samples = material.held_out
    rewards = solution_chances(arm, samples)
    numbers = {"arm_pair_accuracy": pair_accuracy(samples, rewards), "best_by_arm": best_by(samples, rewards)}
    problems = evaluation_problems(len({tuple(sample.prompt) for sample in samples}))
    prompts = [prompt_ids(material.tokenizer, problem) for problem in problems]
    for name, temperature in (("greedy", 0.0), ("sampled", 1.0)):
        for w in STRENGTHS:
            ids = list[list[int]]()
            for first in range(0, len(prompts), BATCH):
                how = Sampling(temperature=temperature, seed=first)
                ids += complete_guided(material.target.decoder, arm, w, prompts[first : first + BATCH], how)
            right = list(map(check, problems, material.tokenizer.decode_batch(ids)))
            numbers[f"guided_{name}_{w:g}"] = sum(right) / len(right)
    return numbers
