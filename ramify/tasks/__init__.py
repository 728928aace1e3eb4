"""Generated, verifiable problems and their checkers."""

from ramify.tasks.check import check, extract_answer, step_labels
from ramify.tasks.generate import EVALUATION, HARD, STUDY, TRAINING, Mixture, generate, split_of, stream
from ramify.tasks.gsm8k import load_gsm8k, parse_gsm8k
from ramify.tasks.problem import Problem, Split, Step

__all__ = [
    "EVALUATION",
    "HARD",
    "STUDY",
    "TRAINING",
    "Mixture",
    "Problem",
    "Split",
    "Step",
    "check",
    "extract_answer",
    "generate",
    "load_gsm8k",
    "parse_gsm8k",
    "split_of",
    "step_labels",
    "stream",
]
