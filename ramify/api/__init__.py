"""The one place that knows all parts: `load` a model, then search with it, or take its verbs in your own hands."""

from ramify.api.advising import Advice, advise
from ramify.api.apart import ServiceProcess
from ramify.api.handle import Handle, advance_together
from ramify.api.live import Service, Serving, Status, Ticket
from ramify.api.lm import LM, load
from ramify.api.planning import coverage, plan
from ramify.api.reader import Reader
from ramify.api.remote import Remote, connect
from ramify.api.services import (
    architectures,
    bench,
    is_right,
    problems,
    train_builtin,
    verify,
    verify_search,
    verify_speculation,
)
from ramify.api.sources import BUILTIN, BUILTIN_MODELS, BUILTIN_REWARDS
from ramify.api.speculate import Speculate
from ramify.api.steer import steering_from
from ramify.api.texts import SCORED_TEXTS
from ramify.api.threads import compute_on, warm_up
from ramify.core.protocols import Method
from ramify.core.registry import lookup, names
from ramify.model.steering import Steering
from ramify.model.tokenizer import Tokenizer
from ramify.speculate.advise import Estimate

__all__ = [
    "BUILTIN",
    "BUILTIN_MODELS",
    "BUILTIN_REWARDS",
    "LM",
    "SCORED_TEXTS",
    "Advice",
    "Estimate",
    "Handle",
    "Reader",
    "Remote",
    "Service",
    "ServiceProcess",
    "Serving",
    "Speculate",
    "Status",
    "Steering",
    "Ticket",
    "Tokenizer",
    "advance_together",
    "advise",
    "architectures",
    "bench",
    "compute_on",
    "connect",
    "coverage",
    "is_right",
    "load",
    "methods",
    "plan",
    "problems",
    "steering_from",
    "train_builtin",
    "verify",
    "verify_search",
    "verify_speculation",
    "warm_up",
]


def methods() -> list[Method]:
    """Every registered method."""
    return [lookup("method", name) for name in names("method")]
