"""Your own problems, your own checker: which method answers them best for the same compute?

    python examples/your_own_checker.py           # two minutes on two cores; writes tables and a report to runs/mine

`problems.jsonl` holds one object a line: a "prompt", and beside it whatever the checker wants, here the numbers that
the prompt gives and the result. A checker is a function of that object and the text; it says whether the text is right,
or how right from 0 to 1. This one is stricter than comparing answers: every line of the way must hold a true equation,
made of numbers that were given or found before. The command line does the same:

    ramify compare --task examples/problems.jsonl --checker examples/your_own_checker.py:right \
        --methods greedy,majority-vote,best-of-n,beam --budget 4 --out runs/mine
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
METHODS = "greedy,majority-vote,best-of-n,beam"
EQUATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")


def right(record: dict[str, Any], text: str) -> bool:
    """Every line but the last holds a true equation of known numbers, and the last one gives the result."""
    *way, last = text.strip().splitlines() or [""]
    known = set(record["numbers"])
    for line in way:
        found = EQUATION.search(line)
        if found is None:
            return False
        a, b, c = (int(found[i]) for i in (1, 3, 4))
        if not {a, b} <= known or not _holds(a, found[2], b, c):
            return False
        known.add(c)
    return last == f"#### {record['result']}"


def _holds(a: int, operator: str, b: int, c: int) -> bool:
    if operator == "/":
        return b != 0 and a == b * c
    return {"+": a + b, "-": a - b, "*": a * b}[operator] == c


def main(options: Sequence[str] = ()) -> int:
    """`ramify compare` on these problems with this checker; `options` are added behind."""
    command = ["compare", "--task", str(HERE / "problems.jsonl"), "--checker", f"{Path(__file__)}:right"]
    command += ["--methods", METHODS, "--budget", "4", "--out", "runs/mine", *options]
    return subprocess.call([sys.executable, "-m", "ramify", *command])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="Others go to `ramify compare`.")
    sys.exit(main(parser.parse_known_args()[1]))
