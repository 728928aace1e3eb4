"""Everything wired together: load a model, search with it, or take its verbs in your own hands.

lm = ramify.load()
out = lm.search("Tom has 12 apples ...", "speculative-rejection", n=64, reward="builtin-prm")
a, b = lm.prefill("Once upon a time").fork(2)
"""

import secrets
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import torch

from ramify.api.beside import Beside
from ramify.api.guides import GuideLike, guide_of
from ramify.api.handle import Handle
from ramify.api.outcome import result_of
from ramify.api.reader import Reader, Text
from ramify.api.rewards import RewardLike, Rewards
from ramify.api.sources import DTYPES, Folders, device_of, dtype_of, folder_of
from ramify.api.speculate import DraftLike, Speculate, speculation_of
from ramify.api.steer import SteerLike, steering_of
from ramify.api.wishes import Wishes
from ramify.core.errors import BadInput, CheckpointError, Incompatible, UnknownName
from ramify.core.events import Watch
from ramify.core.ledger import Kind
from ramify.core.protocols import AnyReward, Method
from ramify.core.results import Result
from ramify.core.sampling import Sampling
from ramify.core.strict import finite, from_mapping, whole
from ramify.core.types import Budget, Guide, Prompt
from ramify.core.weak import weakly
from ramify.engine.decoder_runner import DecoderRunner, pages_for_bytes
from ramify.engine.driver import Driver, Progress
from ramify.engine.engine import Engine
from ramify.engine.model import Model, Scores
from ramify.engine.session import Session
from ramify.model import checkpoint
from ramify.model.chat import ChatTemplate
from ramify.model.generation import GenerationDefaults
from ramify.model.paged import Mode
from ramify.model.steering import Steering, install
from ramify.model.tokenizer import Tokenizer
from ramify.tasks import extract_answer

__all__ = ["LM", "Text", "load", "seed_of"]


def load(
    model: str | Path = "builtin",
    *,
    dtype: Literal["auto", "float32", "bfloat16"] = "auto",
    mode: Mode = "fast",
    device: str = "auto",
    kv_gib: float = 0.5,
    page_size: int = 16,
    row_budget: int = 512,
    context: int | None = None,
    share_prefixes: bool = True,
    preallocate: bool = False,
    speculate: DraftLike | Speculate | None = None,
    steer: SteerLike | None = None,
    known: Mapping[str, str | Path] | None = None,
) -> "LM":
    """Load a model.

    Args:
        model: "builtin" (or "builtin-draft"), a folder in Hugging Face layout, or a hub name (with the `hub` extra).
        dtype: weights and pages; "auto" is float32 for models under 100 MB and in exact mode, bfloat16 otherwise.
        mode: "fast", "exact" (fp32, every row's numbers independent of its neighbours), or "reference".
        device: "cpu", "cuda", or "auto".
        kv_gib: memory for pages, in GiB, for each model.
        row_budget: most tokens read in one forward pass.
        context: positions wanted, for models whose rotary scaling depends on it (longrope); None is the model's own.
        share_prefixes: read pages that branches share once for all of them.
        preallocate: take the pages' memory when a model is loaded, not as they fill (on a GPU it always is).
        speculate: draft tokens and verify them: a draft ("builtin-draft", "ngram", a folder, ...), or a `Speculate`.
        steer: move the target's activations: a `Steering`, or a file of one (`ramify train steering`).
        known: models by name that rewards, guides and methods may name beside the built-in ones; where given, no other
            name means anything, and nothing that a search is given is opened as a path.

    Raises:
        CheckpointError: the folder cannot be read. BadInput: an option is out of range. Incompatible: the draft or the
            steering does not fit the target, or the parts of the speculation do not compose.
    """
    folder = folder_of(model)
    if dtype not in ("auto", *DTYPES):
        raise UnknownName("dtype", dtype, ["auto", *DTYPES])
    if mode not in ("fast", "exact", "reference"):
        raise UnknownName("mode", mode, ["fast", "exact", "reference"])
    finite("kv_gib", kv_gib, 1e-6, 1e6)
    whole("page_size", page_size, 1, 1024)
    if context is not None:
        whole("context", context, 1, 1 << 40)
    where = device_of(device, mode)
    return LM(
        folder,
        dtype=dtype_of(dtype, mode, folder),
        mode=mode,
        device=where,
        kv_bytes=int(kv_gib * 2**30),
        page_size=page_size,
        row_budget=row_budget,
        context=context,
        share_prefixes=share_prefixes,
        preallocate=preallocate,
        speculate=speculate,
        steer=steer,
        known=None if known is None else {name: folder_of(wish) for name, wish in known.items()},
    )


class LM:
    """A target model with its engine, and the reward models that were asked for. Made by `load`."""

    def __init__(
        self,
        folder: Path,
        *,
        dtype: torch.dtype,
        mode: Mode,
        device: str,
        kv_bytes: int,
        page_size: int,
        row_budget: int,
        context: int | None,
        share_prefixes: bool,
        preallocate: bool = False,
        speculate: DraftLike | Speculate | None = None,
        steer: SteerLike | None = None,
        known: Mapping[str, Path] | None = None,
    ) -> None:
        self.folder, self.dtype, self.mode, self.device = folder, dtype, mode, device
        self._kv_bytes, self._page_size, self._context = kv_bytes, page_size, context
        self._share_prefixes, self._preallocate = share_prefixes, preallocate
        self.tokenizer = Tokenizer.load(folder)
        self.chat = ChatTemplate.load(folder)
        self.defaults = GenerationDefaults.load(folder)
        if self.defaults.unmet:
            warnings.warn(f"{folder}/generation_config.json: not followed: {dict(self.defaults.unmet)}", stacklevel=3)
        wish = Speculate(draft=speculate) if not isinstance(speculate, Speculate | None) else speculate
        self.steering = steering_of(steer, wish)
        self.engine = Engine(self._model("target", folder, steering=self.steering), row_budget=row_budget)
        self.reader = Reader(self.tokenizer, self.chat, self.engine.target.runner.max_positions)
        self._beside = Beside(self.engine, self.tokenizer, folder, weakly(self._model), Folders(known))
        self._rewards = Rewards(self._beside, self.tokenizer)
        self._wishes = Wishes(self.engine, self.defaults, self._beside, self._rewards)
        if wish is not None:
            self.engine.speculator = speculation_of(wish, self.engine.target, self._load_draft)

    def search(self, prompt: Text, method: str = "sample", **options: Any) -> Result:
        """Run one method on one prompt.

        Args:
            prompt: text, token ids, or chat messages (rendered with the model's template).
            method: a name from `ramify methods`, or one with options: "best-of-n(n=4)".
            **options: the method's own (n, alpha, ...); any field of `Sampling` (temperature, top_p, seed, ...);
                `reward` ("builtin-prm", "logprob", a folder with a value head, a function of (prompt, text), ...: see
                `ramify.api.rewards`), `budget` (a Budget), `extract` (reads the answer off a text), `select`, `guide`,
                and for methods that choose among n candidates `each` (a method that makes each of them).

        Raises:
            UnknownName: the method, an option or the reward is unknown. BadInput: a value is out of range.
            Incompatible: the reward's tokenizer is not the target's. RewardError: the reward failed.
            OutOfPages: not even one branch fits.
        """
        return self.search_many([prompt], method, **options)[0]

    def search_many(
        self,
        prompts: Sequence[Text],
        method: str = "sample",
        *,
        reward: RewardLike | Sequence[RewardLike] | None = None,
        budget: Budget | None = None,
        seed: int | None = None,
        extract: Callable[[str], Any] = extract_answer,
        speculate: bool = True,
        guide: GuideLike | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> list[Result]:
        """Run one method on many prompts in one continuous batch; results in the prompts' order.

        Prompt i of seed s gives what `search(prompt, seed=s + i)` gives. `reward` may be one for all or a list, one
        each. The first error is raised after all others have ended. `speculate` False decodes plainly where the model
        was loaded with a draft.
        """
        if isinstance(prompts, str) or not isinstance(prompts, Sequence):
            raise BadInput("prompts", f"a list of prompts is expected, not {prompts!r}; `search` takes one")
        seed, driver = seed_of(seed), Driver(self.engine, extract)
        options |= {"reward": reward, "budget": budget, "speculate": speculate, "guide": guide}
        sessions = self.submit(driver, prompts, method, seed=seed, **options)
        driver.run(progress)
        for session in sessions:
            if session.error is not None:
                raise session.error
        return [result_of(session, method, seed + i, self.tokenizer) for i, session in enumerate(sessions)]

    def submit(
        self,
        driver: Driver,
        prompts: Sequence[Text],
        method: str | Method,
        *,
        seed: int,
        reward: RewardLike | Sequence[RewardLike] | None = None,
        budget: Budget | None = None,
        speculate: bool = True,
        guide: GuideLike | None = None,
        salt: str = "",
        watch: Watch | None = None,
        **options: Any,
    ) -> list[Session]:
        """What `search_many` runs, queued at a driver of this engine: one session a prompt.

        Args:
            salt: prompts of other salts are read anew, so that how long one takes says nothing of theirs.
            watch: is told what happens to the sessions' branches.

        Raises:
            BadInput, UnknownName, Incompatible: as `search` does; then nothing was queued.
        """
        chosen, sampling, own = self._wishes.method(method, options)
        rewards = self._wishes.rewards_for(chosen, reward, len(prompts))
        if any(r is not None and r.needs_logprobs for r in rewards) and sampling.logprobs is None:
            sampling = replace(sampling, logprobs=0)
        budget, shaping = self._wishes.budget(chosen, budget), self._wishes.guide(guide, speculate)
        reserve, width = budget.pages or 0 if chosen.uses_room else 0, own.get("n", 1)
        queued = []
        for i, text in enumerate(prompts):
            source = text if isinstance(text, str) else None
            known = {"text": source, "speculate": speculate, "guide": shaping, "salt": salt}
            prompt = Prompt(tuple(self.encode(text)), sampling, seed + i, **known)  # type: ignore[arg-type]
            queued.append(chosen.run(prompt, **own))
        return [
            driver.submit(search, reward=judge, budget=budget, reserve=reserve, width=width, watch=watch)
            for search, judge in zip(queued, rewards, strict=True)
        ]

    def prefill(self, prompt: Text, *, seed: int | None = None, **sampling: Any) -> Handle:
        """Read a prompt and stand at its end, the verbs in hand.

        Raises:
            BadInput: the prompt is empty or too long, or a sampling value is out of range. OutOfPages: it does not fit.
        """
        tokens, seed = tuple(self.encode(prompt)), seed_of(seed)
        wish = from_mapping(Sampling, self.defaults.sampling_options() | sampling)
        return Handle(self, self.engine.prefill(Prompt(tokens, wish, seed)))

    def encode(self, prompt: Text) -> list[int]:
        """Token ids of a text (with the begin token the model was trained with), of token ids, or of chat messages."""
        return self.reader.encode(prompt)

    def reward(self, wish: RewardLike) -> AnyReward:
        """The reward behind a name, a folder or a function (see `ramify.api.rewards`); a model is loaded once."""
        return self._rewards(wish)

    def guide(self, wish: GuideLike) -> Guide:
        """The guide behind a line as in "genarm(arms=builtin-arm, weights=1.0)"; its models are loaded once."""
        return guide_of(wish, self._beside)

    def forget_prefixes(self) -> None:
        """Forget the prompts that were read before, so that the next run's ledger does not profit from them."""
        for model in self.engine.models:
            model.book.tree.evict(model.book.pool.num_pages)

    def check(self) -> None:
        """Audit the books (see `Engine.check`)."""
        self.engine.check()

    def __enter__(self) -> "LM":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.drop(list(self.engine.branches.values()))

    def _load_draft(self, wish: str | Path, layers: int | None) -> Model:
        folder = folder_of(wish)
        if unlike := self.tokenizer.disagreement(Tokenizer.load(folder)):
            remedy = f"A draft speaks the target's tokens ({unlike}); train one (ramify train draft), or take 'ngram'."
            raise Incompatible(f"draft {str(wish)!r}", f"target {str(self.folder)!r}", remedy)
        return self._model("draft", folder, layers=layers, kind="draft")

    def _model(
        self,
        role: str,
        folder: Path,
        *,
        scores: Scores | bool = False,
        layers: int | None = None,
        steering: Steering | None = None,
        kind: Kind | None = None,
    ) -> Model:
        loaded = checkpoint.load(folder, self.dtype, self.device, context=self._context)
        if steering is not None:
            install(steering, loaded.decoder, self.mode)
        if layers is not None:
            loaded.decoder.keep_layers(layers)
        num_pages = pages_for_bytes(loaded.decoder.config, self.dtype, self._page_size, self._kv_bytes)
        try:
            runner = DecoderRunner(
                loaded,
                num_pages=num_pages,
                page_size=self._page_size,
                mode=self.mode,
                share_prefixes=self._share_prefixes,
                preallocate=self._preallocate,
            )
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            gib = self._kv_bytes / 2**30
            raise BadInput("kv_gib", f"{gib:g} GiB for pages are more than there is; lower it") from error
        if scores == "value" and loaded.head is None:
            raise CheckpointError(f"reward {role!r}: the folder has no value head (score.weight)")
        return Model(role, runner, self.tokenizer, scores=scores, kind=kind)


def seed_of(wish: int | None) -> int:
    """A seed: the one that is asked for, or one nobody knows."""
    return secrets.randbits(48) if wish is None else whole("seed", wish, -(1 << 63), (1 << 63) - 1)
