"""Rewrites every generated passage: `python -m tests.house.refresh`, or `make docs`."""

from tests.house.documents import PASSAGES
from tests.house.marked import replaced
from tests.house.source import ROOT


def main() -> None:
    """Rewrite, and say what changed."""
    for passage in PASSAGES:
        path = ROOT / passage.document
        old = path.read_text()
        new = replaced(old, passage.name, passage.make())
        if new != old:
            path.write_text(new)
        print(f"{passage.document}: {passage.name} {'rewritten' if new != old else 'as it was'}")


if __name__ == "__main__":
    main()
