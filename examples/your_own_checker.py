"""Your own problems, your own checker: which method answers them best for the same compute?

    python examples/your_own_checker.py

`problems.jsonl` holds one object a line with a "prompt", and whatever the checker needs: here the numbers to use and the
number to reach. A checker gets the object and the text, and says whether the text is right (or how right, from 0 to 1).
The same from the command line:

    ramify compare --task examples/problems.jsonl --checker examples/your_own_checker.py:right \
        --methods greedy,majority-vote,best-of-n --budget 4 --out runs/mine
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def right(record: dict[str, Any], text: str) -> bool:
    """The last line gives the number that was asked for, and no line states a false sum."""
    lines = text.strip().splitlines()
    for line in lines[:-1]:
        found = re.search(r"([\d +*/()-]+) = (\d+)\b", line)
        if found and not _holds(found[1], int(found[2])):
            return False
    return bool(lines) and lines[-1] == f"#### {record['result']}"


def _holds(expression: str, value: int) -> bool:
    """Whether an expression of whole numbers with one operator has this value."""
    parts = re.fullmatch(r"\s*(\d+)\s*([-+*/])\s*(\d+)\s*", expression)
    if parts is None:
        return True  # not one that this checker reads
    a, operator, b = int(parts[1]), parts[2], int(parts[3])
    results = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}
    return results[operator] == value


if __name__ == "__main__":
    command = ["compare", "--task", str(HERE / "problems.jsonl"), "--checker", f"{Path(__file__)}:right"]
    command += ["--methods", "greedy,majority-vote,best-of-n", "--budget", "4", "--out", "runs/mine"]
    sys.exit(subprocess.call([sys.executable, "-m", "ramify", *command]))
