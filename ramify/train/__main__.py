"""`python -m ramify.train OUT`: the recipe of the built-in models, whole or stage by stage."""

from argparse import ArgumentParser
from pathlib import Path

import torch

from ramify.train.builtin import STAGES, train_builtin
from ramify.train.shapes import SCALES


def main() -> None:
    """Read the command line and run the recipe."""
    parser = ArgumentParser(prog="python -m ramify.train", description="Train the built-in models.")
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", choices=sorted(SCALES), default="full")
    parser.add_argument("--work", type=Path, help="checkpoints and logs (default: OUT-work)")
    parser.add_argument("--fresh", action="store_true", help="ignore earlier checkpoints")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    train_builtin(
        given.out,
        seed=given.seed,
        scale=SCALES[given.scale],
        resume=not given.fresh,
        work=given.work,
        stages=given.stages,
    )


if __name__ == "__main__":
    main()
