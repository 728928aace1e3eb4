"""ramify: an inference engine for open language models in which generation branches."""

from ramify.api import LM, Handle, Speculate, Steering, advance_together, connect, coverage, load, methods, plan
from ramify.core.errors import RamifyError
from ramify.core.results import Candidate, Result
from ramify.core.sampling import Sampling
from ramify.core.types import Budget

__version__ = "0.1.0"

__all__ = [
    "LM",
    "Budget",
    "Candidate",
    "Handle",
    "RamifyError",
    "Result",
    "Sampling",
    "Speculate",
    "Steering",
    "advance_together",
    "connect",
    "coverage",
    "load",
    "methods",
    "plan",
]
