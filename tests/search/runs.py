"""Running registered methods on the toy."""

from typing import Any

from ramify.core.protocols import Method, Reward
from ramify.core.registry import lookup
from ramify.core.strict import keyword_options
from ramify.core.types import Budget, Prompt, Selection
from ramify.engine.driver import run_alone
from ramify.engine.engine import Engine
from ramify.engine.model import Model
from ramify.engine.session import Session
from ramify.reward.checker import Checker
from ramify.toy.model import ToyModel
from ramify.toy.runner import toy_model
from tests.toys import JUDGE, prompt, toy

STORY = (1, 2, 1, 2, 2)


def length(prompt: str, text: str) -> float:
    """A reward that knows the texts: the longer the better, b before a."""
    return len(text) + text.count("b") / 100


def letter(text: str) -> str | None:
    """The answer of a text: its last letter."""
    return text[-1:] or None


def run(
    name: str,
    *,
    source: Prompt | None = None,
    seed: int = 0,
    reward: Reward | None = JUDGE,
    budget: Budget | None = None,
    engine: Engine | None = None,
    **options: Any,
) -> Session:
    """One method, alone, with its default selection rule."""
    method: Method = lookup("method", name)
    if method.select is not None:
        options["select"] = lookup("select", options.get("select", method.select))
    source = source or prompt(*STORY, seed=seed, ignore_eos=False, max_tokens=12)
    budget = budget or Budget(pages=40 if method.uses_room else None)
    engine = engine or toy(num_pages=400)
    if writers := named_writers(method) | {field: options[field] for field in method.models if field in options}:
        options |= writers
        engine.others.setdefault("small", small_beside(engine))
    search = method.run(source, **options)
    return run_alone(engine, search, reward=reward, budget=budget, reserve=budget.pages or 0, extract=letter)


def named_writers(method: Method) -> dict[str, str]:
    """The toy's second writer for every model that a method names by default."""
    defaults = keyword_options(method.run)
    return {field: "small" for field in method.models if defaults[field].default is not None}


def small_beside(engine: Engine) -> Model:
    """Another writer of the target's tokens, as large as the target."""
    runner = engine.target.runner
    sizes = {"num_pages": runner.num_pages, "page_size": runner.page_size, "max_positions": runner.max_positions}
    return toy_model("small", ToyModel(runner.vocab_size, salt=9), **sizes)


def selection(session: Session) -> Selection:
    """What it returned."""
    assert session.result is not None
    return session.result


def drawn(session: Session) -> list[list[int]]:
    """Every candidate's tokens, in the order in which their branches were made."""
    ended = sorted(selection(session).ended, key=lambda e: e.branch.id)
    return [e.branch.generated for e in ended]


def best(session: Session) -> list[int]:
    """The chosen one's tokens."""
    return selection(session).best.branch.generated


LENGTH = Checker(length, name="length")
