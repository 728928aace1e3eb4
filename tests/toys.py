"""What tests are made of: toy engines, prompts, rewards, and searches of a line or two."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ramify.core.sampling import Sampling
from ramify.core.types import Branch, Ended, Prompt, Selection
from ramify.core.wants import Advance, Fork, Score, Search, Until
from ramify.engine.engine import Engine
from ramify.engine.runner import Chunk
from ramify.model.checkpoint import Checkpoint
from ramify.model.config import DecoderConfig
from ramify.model.decoder import Decoder
from ramify.reward.outcome import OutcomeReward
from ramify.toy.model import ToyModel
from ramify.toy.runner import ToyRunner, toy_model

JUDGE = OutcomeReward("judge", "judge")


def toy(
    page_size: int = 2,
    num_pages: int = 64,
    *,
    judge_pages: int | None = None,
    max_positions: int = 64,
    vocab_size: int = 3,
    **options: Any,
) -> Engine:
    """A toy target with a reward model, "judge", beside it."""
    sizes = {"page_size": page_size, "max_positions": max_positions}
    target = toy_model(model=ToyModel(vocab_size), num_pages=num_pages, **sizes)
    judge = toy_model("judge", ToyModel(vocab_size, salt=5), scores=True, num_pages=judge_pages or num_pages, **sizes)
    return Engine(target, {"judge": judge}, **options)


def prompt(*tokens: int, seed: int = 0, ignore_eos: bool = True, **sampling: Any) -> Prompt:
    """A prompt; texts run to their length unless told otherwise."""
    return Prompt(tuple(tokens), Sampling(ignore_eos=ignore_eos, **sampling), seed=seed)


def grown(source: Prompt, n: int, *untils: Until, score: bool = False) -> Search[Selection]:
    """n branches, advanced (and scored) stage by stage; the scores of each stage are the rounds."""
    live = yield Fork(source, n)
    rounds = []
    for until in untils:
        tau = yield Advance(live, until)
        scores = (yield Score(live)) if score else {}
        rounds.append({"tau": tau, "scores": [scores.get(b) for b in live]})
    return chosen(live, rounds)


def chosen(live: Sequence[Branch], rounds: Sequence[dict[str, Any]] = ()) -> Selection:
    """The first of all."""
    ended = tuple(Ended.of(branch) for branch in live)
    return Selection(ended[0], ended, tuple(rounds))


def texts(selection: Selection | None) -> list[list[int]]:
    """The drawn tokens of every candidate."""
    assert selection is not None
    return [e.branch.generated for e in selection.ended]


def runner_of(engine: Engine) -> ToyRunner:
    """The target's runner."""
    assert isinstance(engine.target.runner, ToyRunner)
    return engine.target.runner


def is_empty(engine: Engine) -> bool:
    """Whether nobody is alive, nobody holds a page, and the books say so too."""
    engine.check()
    pools = [model.book for model in engine.models]
    return not engine.branches and all(book.free == book.pool.num_pages and not book.tables for book in pools)


@contextmanager
def failing(engine: Engine, error: BaseException, *, after: int = 0) -> Iterator[None]:
    """The target's forward pass raises, from its (after + 1)-th call on; what it had to store is left half written."""
    runner = runner_of(engine)
    forward, left = runner.forward, [after]

    def fail(chunks: Sequence[Chunk]) -> torch.Tensor:
        if left[0] > 0:
            left[0] -= 1
            return forward(chunks)
        runner.slots[runner._slot(chunks[0], chunks[0].start)] = -7  # no token at all
        raise error

    runner.forward = fail  # type: ignore[method-assign]
    yield
    runner.forward = forward  # type: ignore[method-assign]


class Ids:
    """A codec for models without words: a token's text is its number; no token ends a text."""

    end_ids, begin_id = frozenset[int](), 1

    def encode(self, text: str, add_begin: bool = True) -> list[int]:
        """Numbers."""
        return [int(word) for word in text.split()]

    def encode_after(self, text: str) -> list[int]:
        """Numbers."""
        return self.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Numbers."""
        return " ".join(map(str, ids))

    def continuation(self, context: Sequence[int], ids: Sequence[int]) -> str:
        """Numbers."""
        return self.decode(ids)


def tiny_checkpoint(seed: int = 0, max_positions: int = 128) -> Checkpoint:
    """A decoder with random weights: two layers, 96 wide, vocabulary 17."""
    config = DecoderConfig.from_hf(
        {
            "model_type": "llama",
            "vocab_size": 17,
            "hidden_size": 96,
            "intermediate_size": 80,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": max_positions,
        }
    )
    decoder, dice = Decoder(config), torch.Generator().manual_seed(seed)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight, std=0.15, generator=dice)
    return Checkpoint(decoder, None, {})
