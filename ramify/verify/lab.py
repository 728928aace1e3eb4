"""Where laws are tried: what makes fresh engines of one kind, and a recorder of the laws that were drawn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ramify.core.protocols import Codec
from ramify.core.sampling import Sampling
from ramify.core.types import Branch, Prompt
from ramify.engine.decoder_runner import DecoderRunner
from ramify.engine.draws import Draw, addressed
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.maths.law import Law
from ramify.model.checkpoint import Checkpoint
from ramify.model.paged import Mode
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model

Make = Callable[..., Engine]  # (num_pages=..., row_budget=..., draw=...) -> a fresh engine


@dataclass(frozen=True)
class Lab:
    """A kind of engine. `tolerance` bounds the total variation that its arithmetic may put between equal laws."""

    name: str
    make: Make
    prompts: tuple[tuple[int, ...], ...]  # of different lengths
    page_size: int
    tolerance: float

    def prompt(self, index: int = 0, seed: int = 0, **sampling: object) -> Prompt:
        """One of the lab's prompts."""
        return Prompt(self.prompts[index], Sampling(**sampling), seed=seed)  # type: ignore[arg-type]


@dataclass
class Recorder:
    """Draws as users do (or as `script` says) and keeps every branch's laws: what two runs are compared by."""

    script: dict[int, Sequence[int]] = field(default_factory=dict)  # address -> tokens to draw
    laws: dict[int, list[list[float]]] = field(default_factory=dict)  # address -> a mass a token, a law a draw
    vocab_size: int = 0

    def __call__(self, law: Law, branches: Sequence[Branch]) -> list[int]:
        """One token a row."""
        drawn = addressed(law, branches)
        for row, branch in enumerate(branches):
            kept = self.laws.setdefault(branch.address, [])
            if branch.address in self.script:
                drawn[row] = self.script[branch.address][len(kept)]
            kept.append(law.dense(self.vocab_size)[row].tolist())
        return drawn


def distance(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> float:
    """Largest total variation between the laws of two runs, draw by draw; 1 if one has more draws."""
    if len(a) != len(b):
        return 1.0
    return max((sum(abs(x - y) for x, y in zip(p, q, strict=True)) / 2 for p, q in zip(a, b, strict=True)), default=0.0)


def toy_lab(page_size: int) -> Lab:
    """The enumerable toy behind the engine: arithmetic in fp64, nothing may differ at all."""

    def make(num_pages: int = 128, row_budget: int = 512, draw: Draw = addressed) -> Engine:
        target = toy_model(num_pages=num_pages, page_size=page_size)
        judge = toy_model("judge", ToyModel(salt=5), scores=True, num_pages=num_pages, page_size=page_size)
        return Engine(target, {"judge": judge}, row_budget=row_budget, draw=draw)

    prompts = ((1, 2, 1), (2,), (2, 1, 1, 2, 2), (1, 1, 2, 1, 2, 1, 2))
    return Lab(f"toy, pages of {page_size}", make, prompts, page_size, 0.0)


def decoder_lab(
    name: str,
    checkpoint: Checkpoint,
    codec: Codec,
    mode: Mode,
    prompts: Sequence[Sequence[int]],
    *,
    page_size: int = 16,
) -> Lab:
    """A real model behind the engine, in one mode."""

    def make(num_pages: int = 256, row_budget: int = 512, draw: Draw = addressed) -> Engine:
        runner = DecoderRunner(checkpoint, num_pages=num_pages, page_size=page_size, mode=mode)
        return Engine(Model("target", runner, codec), row_budget=row_budget, draw=draw)

    precise = str(checkpoint.decoder.embedding.dtype) == "torch.float32"
    tolerance = 0.0 if mode == "exact" else 2e-4 if precise else 5e-2
    return Lab(f"{name}, {mode}", make, tuple(tuple(p) for p in prompts), page_size, tolerance)
