"""The models that stand beside a target: rewards, guides, writers. Each is loaded once, under a role of its own."""

from pathlib import Path
from typing import Protocol

from ramify.api.sources import Folders, folder_of
from ramify.core.errors import CheckpointError, Incompatible, UnknownName
from ramify.engine.engine import Engine
from ramify.engine.model import Model, Scores
from ramify.model.tokenizer import Tokenizer


class MakeModel(Protocol):
    """Loads a folder as a model of the engine."""

    def __call__(self, role: str, folder: Path, *, scores: Scores | bool = False) -> Model: ...


class Beside:
    """Loads models into `engine.others`; all of them speak the target's tokens."""

    def __init__(
        self, engine: Engine, tokenizer: Tokenizer, target: Path, make: MakeModel, folders: Folders | None = None
    ) -> None:
        self.engine, self.tokenizer, self.target, self.make = engine, tokenizer, target, make
        self.folders = folders or Folders()

    def writer(self, wish: str | Path, field: str) -> str:
        """The role of a model that draws, shapes laws or is asked; "target" is the target itself.

        Raises:
            UnknownName: no such model. Incompatible: its tokens are not the target's.
        """
        role = str(wish)
        if role != self.engine.target.role and role not in self.engine.others:
            self._load(role, wish, field, False)
        return role

    def likelihood(self, wish: str | Path, field: str) -> str:
        """The role of a model that keeps the log-probability of every token drawn."""
        role = f"{wish} (log-probabilities)"
        if role not in self.engine.others:
            self._load(role, self.target if str(wish) == self.engine.target.role else wish, field, "logprob")
        return role

    def values(self, folder: Path, role: str) -> str:
        """The role of a model with a value head."""
        if role not in self.engine.others:
            self._load(role, folder, "reward", "value")
        return role

    def _load(self, role: str, wish: str | Path, field: str, scores: Scores | bool) -> None:
        folder = self._folder(wish, field)
        if unlike := self.tokenizer.disagreement(Tokenizer.load(folder)):
            remedy = f"Both must speak the same tokens ({unlike}); take a model of this tokenizer"
            remedy += ", or a function of the text." if field == "reward" else "."
            raise Incompatible(f"{field} {str(wish)!r}", f"target {str(self.target)!r}", remedy)
        self.engine.others[role] = self.make(role, folder, scores=scores)

    def _folder(self, wish: str | Path, field: str) -> Path:
        try:
            return folder_of(wish) if isinstance(wish, Path) else self.folders(wish)
        except CheckpointError as error:
            known = ["a folder", "a hub name"] if self.folders.known is None else [*self.folders.known]
            raise UnknownName(field, str(wish), [*known, "a built-in model (ramify models)"]) from error
